"""What a cell leaves open is open in the next: files, pipes, locks, coprocesses."""

from __future__ import annotations

import os

import anyio
import pytest

from tests.pipes import end_of
from vibesbox_kernel.shell.magic_args import StateAction, StateArgs
from vibesbox_kernel.shell.state_verbs import tend_state

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["pty", "pipe"])
def io(request: pytest.FixtureRequest) -> str:
    return f"%%session --io {request.param}\n"


async def test_files_stay_open_at_their_place(notebook, io):
    """Bash: a descriptor that `exec` opens stays open until it is closed."""
    await notebook.run(f"{io}exec 3>out; echo 1 >&3; printf 'a\\nb\\nc\\n' >in; exec {{fd}}<in; read -u $fd x")
    assert await notebook.output(f"{io}echo 2 >&3; read -u $fd y; echo $x $y $fd; cat out") == "a b 10\n1\n2\n"
    assert await notebook.output(f"{io}cat <&$fd; exec 3>&- {{fd}}<&-") == "c\n"
    assert "Bad file descriptor" in await notebook.output(f"{io}echo 3 >&3")


async def test_a_here_document_on_a_descriptor_is_read_on(notebook, io):
    await notebook.run(f"{io}exec 5<<X\n1\n2\nX\nread -u 5 a")
    assert await notebook.output(f"{io}read -u 5 b; echo $a$b") == "12\n"


async def test_a_coprocess_is_talked_with_from_cell_to_cell(notebook, io):
    """Bash: both ends of its pipes are ours, and its children have none of them."""
    await notebook.run(f"{io}coproc {{ tr a-z A-Z | sed 's/^/> /'; }}; echo one >&${{COPROC[1]}}")
    assert (await notebook.runner.states()).descriptors is not None
    await notebook.run(f"{io}sleep 100 &")
    assert await notebook.output(f"{io}exec {{COPROC[1]}}>&-; cat <&${{COPROC[0]}}") == "> ONE\n"


async def test_a_named_coprocess_outlives_cells_that_do_not_touch_it(notebook, io):
    await notebook.run(f"{io}coproc up {{ while read -r x; do echo ${{x^^}}; done; }}")
    for _ in range(3):
        await notebook.run(f"{io}true")
    assert await notebook.output(f"{io}echo hi >&${{up[1]}}; read -u ${{up[0]}} y; echo $y; kill $up_PID") == "HI\n"


async def test_the_terminal_that_a_descriptor_stands_for_is_the_next_cells_own(notebook, io):
    await notebook.run(f"{io}exec 3>&1 4>&2")
    assert await notebook.output(f"{io}echo three >&3; echo four >&4") == "three\nfour\n"
    assert await notebook.output("echo three >&3") == "three\n"


async def test_what_a_cell_leaves_open_ends_with_the_state_that_has_it(notebook, io, isolation):
    """POSIX: a pipe's reader sees its end when nobody has it open for writing any more; keepers, too, have let go."""
    os.mkfifo(isolation / "fifo")
    reader = os.open(isolation / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    await notebook.run(f"{io}sleep 100 & exec 7>{isolation}/fifo")
    await notebook.run(f"{io}exec 7>&-")
    assert await end_of(reader)


async def test_going_back_ends_what_is_open(notebook, manager, isolation):
    os.mkfifo(isolation / "fifo")
    reader = os.open(isolation / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    await notebook.run(f"exec 7>{isolation}/fifo")
    said = await tend_state(manager, notebook.runner, StateArgs(StateAction.BACK), width=100)
    assert said.text.endswith("; what was open (7) is not any more\n")
    assert await end_of(reader)
    assert "Bad file descriptor" in await notebook.output("echo >&7")


async def test_what_is_open_ends_with_a_cell_that_hands_on_nothing(notebook):
    """Ours: a cell has what is open for itself, so that closing it means something; a rolled-back state says so."""
    await notebook.run("exec 3<<<x; x=1")
    outcome = await notebook.run("x=2; kill -KILL $$")
    assert outcome.notices == (
        "the cell's shell was killed (SIGKILL) before it could hand on its state: "
        "the next cell starts from the state before this one, but what was open (3) is not any more",
    )
    assert await notebook.output("[[ -e /dev/fd/3 ]] || echo closed $x") == "closed 1\n"


async def test_a_cell_of_which_nothing_is_run_leaves_open_what_was(notebook):
    await notebook.run("exec 3<<<x")
    await notebook.run("if")
    await notebook.run("#!/bin/sh\necho script")
    assert await notebook.output("read -u 3 x; echo $x") == "x\n"


async def test_a_cell_that_ends_by_a_signal_hands_on_what_is_open(notebook):
    await notebook.run("exec 3<<<'a\nb\n'; read -u 3 x; kill -TERM $$")
    assert await notebook.output("read -u 3 x; echo $x") == "b\n"


async def test_cells_go_on_when_what_was_open_is_held_no_more(notebook, manager):
    """Ours: as when the broker that held it has died."""
    await notebook.run("exec 3<<<x; x=1")
    opened = (await notebook.runner.states()).descriptors
    assert opened is not None
    await manager.release_descriptors(opened.held)
    assert await notebook.output("%%session --io pipe\necho $x; read -u 3 || echo closed") == (
        "1\nIn[2]: line 2: read: 3: invalid file descriptor: Bad file descriptor\nclosed\n"
    )


async def test_what_can_not_be_handed_on_is_said(notebook):
    """Ours: one number is taken, by the pipe that tells a bash to begin."""
    await notebook.run("exec 250</dev/null 3</dev/null; sleep 0.2")
    outcome = await notebook.run("exec 250</dev/null; sleep 0.2")
    assert outcome.notices == ("the open descriptor 250 can not be handed on to the next cell",)
    assert await notebook.output("ls -x /proc/self/fd") == "0  1  2  3  4\n"


async def test_a_lock_is_kept_from_cell_to_cell(notebook, isolation):
    await notebook.run("exec 9>lock; flock 9")
    assert await notebook.output("flock -n lock true || echo locked") == "locked\n"
    assert await notebook.output("exec 9>&-; flock -n lock echo free") == "free\n"


async def test_a_process_substitution_is_written_to_from_cell_to_cell(notebook):
    await notebook.run("exec 8> >(sed 's/^/got /' >got)")
    await notebook.run("echo this >&8")
    await notebook.run("exec 8>&-; until [[ -s got ]]; do sleep 0.01; done")
    assert await notebook.output("cat got") == "got this\n"


async def test_cells_have_nothing_open_that_is_not_theirs(notebook, io):
    """Ours: neither the control pipe nor anything of the broker."""
    assert await notebook.output(f"{io}ls -x /proc/self/fd") == "0  1  2  3\n"


async def test_a_background_cell_hands_on_nothing(notebook, manager):
    await notebook.run("%%session --bg --name b\nexec 3</dev/null; sleep 0.01")
    with anyio.fail_after(5):
        await manager.wait("b")
    assert await notebook.output("[[ -e /dev/fd/3 ]] || echo closed") == "closed\n"


async def test_the_terminal_of_stderr_that_a_descriptor_stands_for_is_the_next_cells_own(notebook):
    """Ours: of a session with two terminals neither is kept alive by a state."""
    split = "%%session --io split\n"
    await notebook.run(f"{split}exec 3>&2")
    assert await notebook.output(f"{split}echo three >&3") == "three\n"
    assert await notebook.output("echo three >&3") == "three\n"
