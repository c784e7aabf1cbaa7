"""Jobs in processes: results as they finish, faults that stay in their job, and interruptions that lose nothing."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from neurofa.side_by_side import side_by_side
from neurofa.spec import InputError


def half(value, tell=None):
    """Half of a number; what is odd is refused, and 13 is a fault."""
    if tell:
        tell(0.5)
    if value == 13:
        raise ZeroDivisionError("thirteen\nis odd")
    if value % 2:
        raise InputError(f"{value} is odd; give an even number")
    return value // 2


def in_which(_):
    return os.getpid(), os.environ["OPENBLAS_NUM_THREADS"], signal.getsignal(signal.SIGINT)


def kill(value):
    os.kill(os.getpid(), signal.SIGKILL)


def note_the_end(folder, name, tell):
    """Wait to be interrupted, and leave a file that says so."""
    (folder / f"{name}-began").touch()
    try:
        tell(0.25)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.2)  # as long as saving takes
        (folder / f"{name}-saved").touch()
        raise


def test_each_job_has_its_result_or_its_fault():
    seen = []
    with closing(side_by_side(half, [(4,), (3,), (13,), (0,)], 2, seen.append)) as finished:
        ended = {place: (result, wrong) for place, result, wrong in finished}
    assert ended == {
        0: (2, ""), 1: (None, "3 is odd; give an even number"), 2: (None, "ZeroDivisionError: thirteen"), 3: (0, "")
    }  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1] == 4
    assert list(side_by_side(half, [], 2)) == []


def test_workers_have_one_thread_of_blas_and_leave_ctrl_c_to_the_parent(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = signal.getsignal(signal.SIGINT)
    ((_, (process, threads, handler), _),) = side_by_side(in_which, [(0,)], 1)
    assert process != os.getpid()
    assert (threads, handler) == ("1", signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_killed_worker_is_a_fault_and_no_traceback():
    assert [(result, wrong.partition(":")[0]) for _, result, wrong in side_by_side(kill, [(0,)], 1)] == [
        (None, "BrokenProcessPool")
    ]


def test_an_interruption_waits_until_the_workers_have_saved(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def stop(done):
        if done >= 0.5:  # both have begun
            raise KeyboardInterrupt

    jobs = [(tmp_path, name) for name in "abc"]
    with pytest.raises(KeyboardInterrupt), closing(side_by_side(note_the_end, jobs, 2, stop)) as finished:
        list(finished)
    began, saved = ({path.name[0] for path in tmp_path.glob(f"*-{what}")} for what in ("began", "saved"))
    assert began == saved >= {"a", "b"}
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_script_without_a_guard_is_told_of_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import operator\nfrom neurofa.side_by_side import side_by_side\n"
                      "print(list(side_by_side(operator.neg, [(1,)], 1)))\n")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=60)
    assert "under `if __name__ == '__main__':`" in done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenProcessPool" in done.stdout
