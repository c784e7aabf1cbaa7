"""Jobs side by side, each in a process: their results as they finish, and an end that loses nothing."""

import os
import signal
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, current_process, get_context, parent_process
from multiprocessing.process import BaseProcess
from threading import Thread, current_thread, main_thread
from typing import Any

from .spec.errors import InputError, first_line

LOOK_EVERY_S = 0.5
KILLED = "its process was killed, perhaps for memory; use fewer workers, or less data"

# in a worker: what the parent reads of each job, the part that is done and whether it has begun; and whether to end
_done: Any = None
_begun: Any = None
_stopped = False


def side_by_side(
    work: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    workers: int,
    watch: Callable[[float], None] | None = None,
) -> Generator[tuple[int, Any, str], None, None]:
    """Do jobs in processes, with one thread of BLAS each unless the environment says otherwise.

    An exception in the caller, Ctrl-C among them, interrupts the workers and waits until they have saved what they
    have; so does closing the generator. Where a process is killed the other jobs go on in new ones.

    Parameters
    ----------
    work
        A function of a module, called as ``work(*job)``; with `watch` as ``work(*job, tell)``, which is to call
        ``tell`` with the fraction of the job that is done. In a worker SIGTERM raises KeyboardInterrupt, once.
    jobs
        Arguments, which can be pickled.
    workers
        Processes, at most.
    watch
        Called now and then with the number of jobs that are done, parts of jobs included.

    Yields
    ------
    tuple
        The job's position, its result, and an empty text; None and what is wrong for a job that cannot be done.
    """
    if not jobs:
        return
    if getattr(current_process(), "_inheriting", False):  # a worker imports the script that has called this
        raise SystemExit("neurofa: workers import the script; put what it runs under `if __name__ == '__main__':`")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the workers, which have a core each
    context = get_context("spawn")
    done, begun = (context.Array(kind, len(jobs), lock=False) for kind in "di")
    batches, suspected, others = [list(range(len(jobs)))], set[int](), active_children()
    while batches:
        left = batches.pop(0)
        pool = ProcessPoolExecutor(
            min(workers, len(left)), mp_context=context, initializer=_begin, initargs=(done, begun)
        )
        places: dict[Future[Any], int] = {
            pool.submit(_in_worker, work, number, jobs[number], watch is not None): number for number in left
        }
        pending, killed = set(places), []
        try:
            while pending:
                finished, pending = wait(pending, LOOK_EVERY_S if watch else None, FIRST_COMPLETED)
                for future in finished:
                    number = places[future]
                    try:
                        result = number, future.result(), ""
                    except BrokenProcessPool:
                        killed.append(number)
                        continue
                    except InputError as error:
                        result = number, None, " ".join(str(error).split())
                    except Exception as error:  # a fault in the job
                        result = number, None, f"{type(error).__name__}: {first_line(error)}"
                    done[number] = 1.0
                    yield result
                if watch:
                    watch(sum(done))
            if killed:
                _end(others)  # those that were not killed save what they have
        except BaseException:
            with _undisturbed():
                pool.shutdown(wait=False, cancel_futures=True)
                _end(others)
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        # which of those that had begun was killed is not known: each has one more try, alone
        suspects = [number for number in killed if begun[number]] or killed
        if innocent := [number for number in killed if number not in suspects]:
            batches.insert(0, innocent)
        for number in suspects:
            if number in suspected:
                yield number, None, KILLED
            else:
                suspected.add(number)
                batches.append([number])


def _end(others: Collection[BaseProcess]) -> None:
    """Interrupt the workers until all are gone: one may have begun another job by then."""
    while children := [child for child in active_children() if child not in others]:
        for child in children:
            child.terminate()
        children[0].join(0.5)


@contextmanager
def _undisturbed() -> Generator[None, None, None]:
    """Take no notice of signals; they come to the main thread alone."""
    numbers = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _begin(done: Any, begun: Any) -> None:
    global _done, _begun
    _done, _begun = done, begun
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent says when to stop
    Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End with the parent, even if that is killed: the same command may be given again."""
    if (parent := parent_process()) is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _in_worker(work: Callable[..., Any], number: int, job: tuple[Any, ...], watched: bool) -> Any:
    if _stopped:
        os._exit(1)  # what raises an exception would be given the next job
    _begun[number] = 1
    usual = signal.signal(signal.SIGTERM, _interrupt_once)
    try:
        return work(*job, partial(_tell, number)) if watched else work(*job)
    finally:
        signal.signal(signal.SIGTERM, usual)


def _tell(number: int, fraction: float) -> None:
    _done[number] = fraction
    if _stopped:  # and the exception was lost, as it is where another library ignores exceptions
        raise KeyboardInterrupt


def _interrupt_once(signum: int, frame: object) -> None:
    global _stopped
    _stopped = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until it has saved what it has
    raise KeyboardInterrupt
