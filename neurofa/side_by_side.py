"""Jobs side by side, each in a process: their results as they finish, and an end that loses nothing."""

import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, current_process, get_context
from threading import current_thread, main_thread
from typing import Any

from .spec.errors import InputError, first_line

LOOK_EVERY_S = 0.5

_done: Any = None  # in a worker: the part of each job that is done, which the parent reads


def side_by_side(
    work: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    workers: int,
    watch: Callable[[float], None] | None = None,
) -> Generator[tuple[int, Any, str], None, None]:
    """Do jobs in processes with one thread of BLAS each, and give their results as they finish.

    An exception in the caller, Ctrl-C among them, interrupts the workers and waits until they have saved what they
    have; so does closing the generator.

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
    done = context.Array("d", len(jobs), lock=False)
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_begin, initargs=(done,))
    places: dict[Future[Any], int] = {
        pool.submit(_in_worker, work, number, job, watch is not None): number for number, job in enumerate(jobs)
    }
    pending = set(places)
    try:
        while pending:
            finished, pending = wait(pending, LOOK_EVERY_S if watch else None, FIRST_COMPLETED)
            for future in finished:
                done[places[future]] = 1.0
                try:
                    yield places[future], future.result(), ""
                except InputError as error:
                    yield places[future], None, " ".join(str(error).split())
                except Exception as error:  # a fault in the job, or a process that was killed; the others go on
                    yield places[future], None, f"{type(error).__name__}: {first_line(error)}"
            if watch:
                watch(sum(done))
    except BaseException:
        with _undisturbed():  # until the workers have saved what they have
            pool.shutdown(wait=False, cancel_futures=True)
            while children := active_children():  # again and again: a worker may have begun another job by then
                for child in children:
                    child.terminate()
                children[0].join(0.5)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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


def _begin(done: Any) -> None:
    global _done
    _done = done
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent says when to stop


def _in_worker(work: Callable[..., Any], number: int, job: tuple[Any, ...], watched: bool) -> Any:
    usual = signal.signal(signal.SIGTERM, _interrupt_once)
    try:
        return work(*job, partial(_tell, number)) if watched else work(*job)
    finally:
        signal.signal(signal.SIGTERM, usual)


def _tell(number: int, fraction: float) -> None:
    _done[number] = fraction


def _interrupt_once(signum: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until it has saved what it has
    raise KeyboardInterrupt
