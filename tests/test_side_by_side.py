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


def die_or_note(folder, name):
    """Die by a signal, or wait a little; leaves a file that says how often it was tried."""
    with (folder / name).open("a") as file:
        file.write("1")
    time.sleep(1.0 if name == "long" else 0.2)
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def waited_for(path):
    """Wait until a file is there."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.05)


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


def test_a_killed_process_costs_its_own_job_alone(tmp_path):
    jobs = [(tmp_path, name) for name in ("killed", "long", "b", "c")]
    ended = {jobs[place][1]: (result, wrong) for place, result, wrong in side_by_side(die_or_note, jobs, 2)}
    assert ended["killed"][0] is None
    assert ended["killed"][1].startswith("its process was killed, perhaps for memory")
    assert all(ended[name] == (name, "") for name in ("long", "b", "c"))
    assert (tmp_path / "killed").read_text() == "11"  # tried twice


def test_processes_of_the_callers_own_are_left_alone():
    import multiprocessing

    own = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    own.start()
    try:
        with closing(side_by_side(half, [(2,), (4,)], 1)) as finished:
            next(finished)
        assert own.is_alive()
    finally:
        own.kill()
        own.join()


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from neurofa.side_by_side import side_by_side
from test_side_by_side import note_the_end
if __name__ == "__main__":
    list(side_by_side(note_the_end, [(Path({str(tmp_path)!r}), name) for name in "ab"], 1, print))
"""
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    waited_for(tmp_path / "a-began")
    parent.kill()
    parent.wait()
    waited_for(tmp_path / "a-saved")
    time.sleep(1.0)
    assert not (tmp_path / "b-began").exists()


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
    assert "its process was killed" in done.stdout
