"""The search for leaks and the lifelines: what other tests lean on."""

from __future__ import annotations

import os
import subprocess
import threading

import anyio
import pytest

from tests.leaks import Mark, Watch
from tests.lifeline import BlockingLifeline, Lifeline


def _start(command: str) -> None:
    subprocess.run(["/bin/sh", "-c", command], check=True, stdin=subprocess.DEVNULL, timeout=5)


@pytest.mark.parametrize("how", ["", "nohup", "setsid", "env -i", "setsid env -i"])
def test_a_process_left_behind_is_found_named_and_ended(how, monkeypatch, blocking_lifeline: BlockingLifeline):
    """POSIX: a soft limit is inherited through fork, exec, setsid and an empty environment."""
    mark = Mark("VIBESBOX_TEST_OF_LEAKS")
    mark.put(monkeypatch)
    monkeypatch.setattr("tests.leaks.DEADLINE_SECONDS", 0)
    watch = Watch(mark)
    _start(f"{how} sh -c 'exec 9>{blocking_lifeline.path}; echo on >&9; exec sleep 600' >/dev/null 2>&1 &")
    blocking_lifeline.held()
    (left,) = watch.end_processes()
    assert "sleep 600" in left
    blocking_lifeline.released()


def test_another_marks_process_is_left_alone(monkeypatch, blocking_lifeline: BlockingLifeline):
    """Ours: two test runs on one machine do not end each other's processes."""
    mine, other = Mark("VIBESBOX_TEST_OF_LEAKS"), Mark("VIBESBOX_TEST_OF_LEAKS")
    other.put(monkeypatch)
    with subprocess.Popen(["/bin/sh", "-c", f"exec 9>{blocking_lifeline.path}; echo on >&9; exec sleep 600"]) as child:
        blocking_lifeline.held()
        assert Watch(mine).end_processes() == []
        assert [one.pid for one in other.processes()] == [child.pid]
        child.kill()


def test_a_descriptor_a_thread_and_a_zombie_are_named(monkeypatch):
    """Ours: a test that forgets to close, join or wait fails."""
    monkeypatch.setattr("tests.leaks.DEADLINE_SECONDS", 0)
    watch = Watch(Mark("VIBESBOX_TEST_OF_LEAKS"))
    stop = threading.Event()
    forgotten = threading.Thread(target=stop.wait, name="forgotten")
    forgotten.start()
    reader, writer = os.pipe()
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # dead, and not collected
    assert watch.new_threads() == ["thread forgotten"]
    assert len(watch.new_descriptors()) == 2
    assert [one.startswith(f"zombie {pid} ") for one in watch.new_zombies()] == [True]
    stop.set()
    forgotten.join()
    os.close(reader)
    os.close(writer)
    os.waitpid(pid, 0)
    assert watch.new_threads() + watch.new_descriptors() + watch.new_zombies() == []


@pytest.mark.anyio
async def test_a_lifeline_is_held_by_a_tree_and_released_by_its_last_process(lifeline: Lifeline):
    """POSIX: a FIFO is at its end when its last writer is gone."""
    script = f"exec 9>{lifeline.path}; echo $$ >&9; sh -c 'echo $$ >&9; exec sleep 600' & wait"
    with anyio.fail_after(5):
        async with await anyio.open_process(script, start_new_session=True) as process:
            lines = await lifeline.lines(2)
            assert str(process.pid) in lines
            for pid in lines:
                os.kill(int(pid), 9)
        await lifeline.released()


@pytest.mark.anyio
async def test_a_lifeline_whose_holder_wrote_nothing_fails_at_once(lifeline: Lifeline):
    """Ours: no test waits for a tree that has died already."""
    with anyio.fail_after(5):
        await anyio.run_process(f": > {lifeline.path}")
        with pytest.raises(AssertionError, match="every holder"):
            await lifeline.held()
