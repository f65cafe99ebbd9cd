"""The magics carried out on a manager."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import cast

import anyio
import pytest

from tests.shell.fake_manager import BEGIN, FakeManager
from vibesbox_kernel.errors import MagicError, SessionNotFoundError, SessionOwnedError, SurvivorsError
from vibesbox_kernel.models import EndReason, OnFull, OnLeftovers, SessionPolicy, SessionStatus
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.error_words import in_words
from vibesbox_kernel.shell.magics import parse_magic
from vibesbox_kernel.shell.output_verbs import follow_output
from vibesbox_kernel.shell.verb_result import VerbResult
from vibesbox_kernel.shell.verbs import carry_out

pytestmark = pytest.mark.anyio


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


async def do(manager: FakeManager | SessionManager, line: str, *, directory: Path | None = None) -> VerbResult:
    with anyio.fail_after(5):
        return await carry_out(cast("SessionManager", manager), parse_magic(line), directory=directory)


async def test_ps_lists_what_runs_and_what_ended_last(manager):
    for pid in range(1, 9):
        manager.end(manager.add(pid=pid), exit_code=0)
    manager.add("python3 -m http.server", name="web", pid=99)
    result = await do(manager, "%ps")
    lines = result.text.splitlines()
    assert len(lines) == 1 + 5 + 1 + 1
    assert lines[-2].startswith("web")
    assert lines[-1] == "3 more ended: %ps -a"
    assert result.html is not None
    assert "3 more ended" in result.html
    assert len((await do(manager, "%ps -a")).text.splitlines()) == 1 + 9


async def test_ps_of_everything_has_what_lives_first_and_is_bounded(manager):
    """Ours: however much is on disk; only who asks for data gets all of it."""
    for number in range(1, 31):
        manager.end(manager.add(name=f"old-{number}", pid=number), ended_at=BEGIN + timedelta(seconds=number))
    manager.add(name="next", pid=None, status=SessionStatus.QUEUED)
    manager.add(name="web", pid=99)
    manager.end(manager.add(name="newest", pid=100), ended_at=BEGIN + timedelta(seconds=99))
    result = await do(manager, "%ps -a")
    names = [line.split()[0] for line in result.text.splitlines()]
    assert names[:5] == ["name", "next", "web", "newest", "old-30"]
    assert len(names) == 1 + 2 + 20 + 1
    assert result.text.endswith("\n… and 11 more that have ended\n")
    assert isinstance(result.data, list)
    assert len(result.data) == 33
    assert len(json.loads((await do(manager, "%ps -a --json")).text)) == 33


async def test_a_long_instance_name_is_cut_before_the_command_is(manager):
    manager.add("make all the things", name="web", pid=1)
    owner = "kernel-0123456789abcdef0123456789abcdef"
    manager.add_elsewhere("make all the others", pid=2, instance=owner, owner=owner)
    _, *lines = (await do(manager, "%ps -a")).text.splitlines()
    assert lines[0].endswith("here                                     make all the things")
    assert lines[1].endswith("  make all the others")
    width = max(map(len, lines)) - 20
    narrow = await carry_out(cast("SessionManager", manager), parse_magic("%ps -a"), width=width)
    for line, command in zip(narrow.text.splitlines()[1:], ("things", "others"), strict=True):
        assert line.endswith(f"make all the {command}")
        assert len(line) <= width
    assert "kernel…" in narrow.text
    assert "456789abcdef " in narrow.text


async def test_ps_gives_json(manager):
    manager.add(name="web", pid=99)
    result = await do(manager, "%ps --json")
    assert json.loads(result.text) == result.data
    assert isinstance(result.data, list)
    assert [one["name"] for one in result.data if isinstance(one, dict)] == ["web"]


async def test_kill_ends_several_and_says_how_each_ended(manager):
    manager.add(name="web", pid=1)
    manager.add(pid=2)
    result = await do(manager, "%kill web 2")
    assert result.text == "web (pid 1): killed (SIGKILL)\npid 2: killed (SIGKILL)\n"
    assert not result.failed


async def test_kill_passes_on_whether_to_ask_first(manager):
    manager.add(name="web")
    await do(manager, "%kill web")
    manager.add(name="db", pid=2)
    await do(manager, "%kill -9 db")
    assert [force for _, _, force in manager.calls] == [False, True]


async def test_kill_of_an_unknown_session_kills_none_of_the_others(manager):
    manager.add(name="web", pid=1)
    with pytest.raises(SessionNotFoundError) as caught:
        await do(manager, "%kill web wob nobody")
    assert "wob, nobody" in str(caught.value)
    assert "web (pid 1)" in str(caught.value)
    assert manager.calls == []


async def test_a_reference_to_nothing_is_told_what_runs_and_only_how_many_have_ended(manager):
    """Ours: the error's attribute has them all."""
    for pid in range(1, 24):
        manager.end(manager.add(pid=pid))
    manager.add(name="web", pid=99)
    manager.add(name="next", pid=None, status=SessionStatus.QUEUED)
    with pytest.raises(SessionNotFoundError) as caught:
        await do(manager, "%wait wob")
    known = "next (not started yet), web (pid 99) and 23 more that have ended"
    assert str(caught.value) == f"session wob not found; known: {known}"
    assert len(caught.value.known) == 25


async def test_who_wants_to_adopt_nothing_is_told_what_can_be_adopted(manager):
    manager.add(name="ours", pid=1)
    manager.add_elsewhere(name="owned", pid=2)
    manager.add_elsewhere(name="left", pid=3, owned=False, durable=True)
    with pytest.raises(SessionNotFoundError) as caught:
        await do(manager, "%adopt lefd")
    assert str(caught.value) == "session lefd not found; can be adopted: left (pid 3)"


async def test_kill_names_a_session_once_however_often_it_is_meant(manager):
    manager.add(name="web", pid=1)
    result = await do(manager, "%kill web 1")
    assert len(result.text.splitlines()) == 1
    assert len(manager.calls) == 1


async def test_kill_says_what_was_over_already(manager):
    manager.end(manager.add(name="web", pid=1), exit_code=3)
    result = await do(manager, "%kill web")
    assert result.text == "web (pid 1): was over already: exited (exit 3)\n"
    assert not result.failed


async def test_kill_all_means_all_that_run(manager):
    manager.end(manager.add(pid=1), exit_code=0)
    manager.add(pid=2)
    manager.add(pid=3)
    assert [line.split(":")[0] for line in (await do(manager, "%kill --all")).text.splitlines()] == ["pid 2", "pid 3"]
    assert (await do(manager, "%kill --all")).text == "no session is running\n"


async def test_kill_says_what_could_not_be_killed_and_ends_the_others(manager):
    def terminate(session):
        if session.info.name == "stuck":
            raise SurvivorsError(session.info.session_id, {77: "uninterruptible sleep"})
        manager.end(session, EndReason.KILLED, signal=9)

    manager.on_terminate = terminate
    manager.add(name="stuck", pid=1)
    manager.add(name="web", pid=2)
    result = await do(manager, "%kill --all")
    assert result.failed
    assert result.text.splitlines() == [
        "stuck (pid 1): not gone; these processes are left: 77 (uninterruptible sleep)",
        "web (pid 2): killed (SIGKILL)",
    ]


async def test_kill_s_sends_one_signal_and_ends_nothing(manager):
    session = manager.add(name="web", pid=1)
    result = await do(manager, "%kill -s HUP web")
    assert result.text == "web (pid 1): was sent SIGHUP\n"
    assert manager.calls == [("signal", session.info.session_id, 1)]
    assert session.info.is_running


async def test_a_signal_to_a_session_that_is_over_is_a_failure(manager):
    manager.end(manager.add(name="web", pid=1), exit_code=0)
    result = await do(manager, "%kill -s 40 web")
    assert result.failed
    assert "was over already" in result.text


async def test_tail_shows_the_last_lines_as_they_look(manager):
    session = manager.add(name="web")
    manager.write(session, b"one\ntwo\n10%\r20%\r\x1b[Kdone\x07")
    assert (await do(manager, "%tail web -n 2")).text == "two\ndone\n"
    assert (await do(manager, "%tail web")).text == "one\ntwo\ndone\n"


async def test_tail_of_no_output_is_nothing(manager):
    manager.add(name="web")
    assert (await do(manager, "%tail web")).text == ""


async def test_a_tail_larger_than_a_page_can_bear_is_cut_and_says_so(manager):
    session = manager.add(name="web")
    manager.write(session, b"x" * 99 + b"\n" + b"y" * 99 + b"\n" * 20_000 + b"z" * 2_000_000)
    result = await do(manager, "%tail web -n 30000")
    assert len(result.text) < 600_000
    assert result.text.startswith("[vibesbox: cut to 500 kB; %tail web --save FILE writes it all]\n")


async def test_tail_saves_the_output_byte_for_byte(manager, tmp_path):
    session = manager.add(name="web", pid=1)
    output = bytes(range(256)) * 10_000
    manager.write(session, output)
    result = await do(manager, "%tail web --save 'the log'", directory=tmp_path)
    assert (tmp_path / "the log").read_bytes() == output
    assert result.text == f"web (pid 1): 2,560,000 bytes (2.6 MB) written to {tmp_path}/the log\n"


async def test_tail_says_what_it_could_not_save_any_more(manager, tmp_path):
    session = manager.add(name="web")
    manager.write(session, b"x" * 3000)
    session.oldest = 1000
    result = await do(manager, f"%tail web --save {tmp_path}/log")
    assert (tmp_path / "log").read_bytes() == b"x" * 2000
    assert "1,000 bytes were not stored any more" in result.text


async def test_tail_names_the_file_that_it_can_not_write(manager, tmp_path):
    manager.add(name="web")
    with pytest.raises(MagicError, match=r"can not write .*/missing/log: No such file"):
        await do(manager, f"%tail web --save {tmp_path}/missing/log")


async def test_following_shows_the_last_lines_then_what_comes_until_the_end(manager):
    session = manager.add(name="web")
    manager.write(session, b"old\nlast\n")
    got: list[str] = []
    with anyio.fail_after(5):
        async for text in follow_output(cast("SessionManager", manager), "web", lines=1):
            got.append(text)
            if len(got) == 1:
                manager.write(session, b"50%\r")
                manager.write(session, b"60%\r\nend", eof=True)
    assert "".join(got) == "last\n50%\r60%\nend"


async def test_to_stop_following_leaves_the_session_alone(manager):
    session = manager.add(name="web")
    manager.write(session, b"x\n")
    follow = follow_output(cast("SessionManager", manager), "web")
    assert await anext(follow) == "x\n"
    await follow.aclose()
    assert manager.calls == []
    assert session.info.is_running


async def test_wait_says_how_each_ended_and_fails_when_one_goes_on(manager):
    manager.end(manager.add(name="build", pid=1), exit_code=0)
    assert (await do(manager, "%wait build")).text == "build (pid 1): exited (exit 0)\n"
    manager.add(name="web", pid=2)
    result = await do(manager, "%wait build web -t 1.5")
    assert result.failed
    assert result.text.splitlines()[1] == "web (pid 2): has not ended after 1.5 s; it goes on"
    assert result.failure == "1 of 2 sessions did not end in that time"


async def test_waiting_in_vain_for_what_is_queued_does_not_call_it_running(manager):
    manager.add(name="next", pid=None, status=SessionStatus.QUEUED)
    result = await do(manager, "%wait next -t 1.5")
    assert result.text == "next (not started yet): has not ended after 1.5 s; it goes on\n"
    assert result.failure == "the session did not end in that time"


async def test_send_types_a_line_and_never_repeats_it(manager):
    session = manager.add(name="web", pid=1)
    result = await do(manager, "%send web 's€cret'")
    assert manager.calls == [("input", session.info.session_id, ("s€cret\n", False))]
    assert result.text == "web (pid 1): sent 9 bytes\n"
    result = await do(manager, "%send web --eof")
    assert manager.calls[1] == ("input", session.info.session_id, ("", True))
    assert result.text == "web (pid 1): ended the input\n"


async def test_info_says_everything_known(manager):
    session = manager.add("cd /srv\nmake <all>", name="web", pid=1, exit_code=0, leftovers=(5, 6), rss=1_500_000)
    result = await do(manager, "%info web")
    for fact in ("web", session.info.session_id, "running (exit 0)", "pid 5, pid 6", "1.5 MB", "make <all>", "/tmp"):
        assert fact in result.text
    assert result.html is not None
    assert "make &lt;all&gt;" in result.html
    assert isinstance(result.data, dict)


async def test_info_shows_a_command_as_code(manager):
    """Jupyter: elsewhere in HTML JupyterLab takes what stands between two dollars for TeX."""
    manager.add("echo $a; echo $b", name="web", pid=1)
    result = await do(manager, "%info web")
    assert "<code>echo $a; echo $b</code>" in (result.html or "")


async def test_help_and_the_overview_need_no_session(manager):
    assert "usage: %tail" in (await do(manager, "%tail?")).text
    assert "%%session" in (await do(manager, "%vibesbox")).text
    assert (await do(manager, "%vibesbox version")).text.startswith("Vibesbox ")


async def test_a_session_command_is_the_front_door_s_to_run(manager):
    with pytest.raises(MagicError):
        await do(manager, "%session make")


async def test_ps_of_everything_says_where_each_session_is_from(manager):
    manager.add(name="mine", pid=1)
    manager.add_elsewhere(name="theirs", pid=2)
    manager.add_elsewhere(name="left", pid=3, owned=False, durable=True)
    assert "theirs" not in (await do(manager, "%ps")).text
    heading, *lines = (await do(manager, "%ps -a")).text.splitlines()
    assert heading.split()[-2:] == ["from", "command"]
    assert [line.split("  ")[0] for line in lines] == ["mine", "theirs", "left"]
    assert " here  " in lines[0]
    assert "Python notebook 3f2a  " in lines[1]
    assert "running, durable" in lines[2]
    assert "Python notebook 3f2a, gone  " in lines[2]
    assert "from" not in (await do(manager, "%ps")).text


async def test_looking_at_another_programs_session_follows_it(manager):
    theirs = manager.add_elsewhere(name="theirs", pid=2)
    manager.write(theirs, b"1\n2\n")
    assert "Python notebook 3f2a" in (await do(manager, "%info theirs")).text
    assert manager.attached == {theirs.info.session_id}


@pytest.mark.parametrize("line", ["%kill theirs", "%durable theirs", "%adopt theirs"])
async def test_what_a_living_program_owns_is_left_alone_and_named_with_its_owner(manager, line):
    theirs = manager.add_elsewhere(name="theirs", pid=2)
    result = await do(manager, line)
    assert result.failed
    assert result.text.startswith("theirs (pid 2): belongs to Python notebook, which is alive")
    assert result.text.endswith("make it durable there (%durable), close that program, then %adopt it\n")
    assert result.failure is not None
    assert result.failure.startswith("the session could not be ")
    assert theirs.info.is_running
    assert not theirs.info.durable


async def test_to_rename_what_a_living_program_owns_is_refused_in_the_same_words(manager):
    manager.add_elsewhere(name="theirs", pid=2)
    refused = (await do(manager, "%kill theirs")).text.partition(": ")[2].strip()
    with pytest.raises(SessionOwnedError) as caught:
        await do(manager, "%rename theirs mine")
    assert in_words(caught.value) == f"session theirs {refused}"


async def test_what_an_earlier_program_of_this_instance_has_left_can_be_adopted(manager):
    left = manager.add(name="left", pid=3, owned=False, durable=True)
    assert (await do(manager, "%adopt left")).text == "left (pid 3): is ours now\n"
    assert left.info.owned


async def test_kill_of_all_leaves_other_programs_alone_and_takes_what_is_queued(manager):
    manager.add(name="queued", pid=None, status=SessionStatus.QUEUED)
    theirs = manager.add_elsewhere(name="theirs", pid=2, owned=False)
    await do(manager, "%info theirs")
    manager.on_terminate = lambda session: manager.end(session, EndReason.CANCELLED, problem=None)
    assert (await do(manager, "%kill --all")).text == "queued (not started yet): cancelled before it could start\n"
    assert theirs.info.is_running


async def test_durable_rename_adopt_and_parallel_say_what_they_did(manager):
    manager.add(name="web", pid=1)
    manager.add_elsewhere(name="left", pid=3, owned=False, durable=True)
    assert (await do(manager, "%durable web")).text == "web (pid 1): outlives this program now\n"
    assert manager.info("web").durable
    assert (await do(manager, "%durable web --off")).text == "web (pid 1): ends with this program now\n"
    assert (await do(manager, "%rename web site")).text == "web (pid 1) is called site now\n"
    assert manager.info("site").pid == 1
    assert (await do(manager, "%adopt left")).text == "left (pid 3): is ours now\n"
    assert (await do(manager, "%adopt left")).text == "left (pid 3): is ours already\n"
    assert (await do(manager, "%parallel 2 -g gpu")).text == "sessions of the group gpu: at most 2 at a time\n"
    assert (await do(manager, "%parallel 0")).text == "sessions: any number at a time\n"
    assert [call for call in manager.calls if call[0] == "parallel"] == [
        ("parallel", "gpu", 2),
        ("parallel", "None", None),
    ]


async def test_parallel_alone_says_which_limits_are_in_force_and_how_to_set_one(manager):
    lines = (await do(manager, "%parallel")).text.splitlines()
    assert lines[0] == "sessions: any number at a time"
    assert "%parallel N -g G" in lines[1]
    await do(manager, "%parallel 2 -g gpu")
    await do(manager, "%parallel 3")
    result = await do(manager, "%parallel")
    said = ["sessions: at most 3 at a time", "sessions of the group gpu: at most 2 at a time"]
    assert result.text.splitlines()[:-1] == said
    assert result.data == [{"group": "gpu", "limit": 2}, {"group": None, "limit": 3}]
    assert (await do(manager, "%parallel -g gpu")).text.splitlines()[0] == said[1]
    assert len([call for call in manager.calls if call[0] == "parallel"]) == 2


async def test_info_of_what_was_cancelled_has_no_start_and_names_what_it_was_to_follow(manager):
    gate = manager.add(name="gate", pid=7)
    session_id = gate.info.session_id
    session = manager.add(name="next", pid=None, status=SessionStatus.QUEUED, policy=SessionPolicy(after=(session_id,)))
    problem = f"session {session_id[:8]}, which it was to follow, did not succeed"
    manager.end(session, EndReason.CANCELLED, problem=problem)
    text = (await do(manager, "%info next")).text
    facts = {line.split("  ", 1)[0] for line in text.splitlines()}
    assert {"submitted", "cancelled"} <= facts
    assert not {"started", "ended", "elapsed"} & facts
    said = "cancelled before it could start: gate (pid 7), which it was to follow, did not succeed"
    assert said in text
    assert said in (await do(manager, "%wait next")).text
    assert said in (await do(manager, "%kill next")).text


async def test_what_is_over_can_not_be_made_durable_and_says_how_it_ended(manager):
    manager.end(manager.add(name="web", pid=1), exit_code=3)
    result = await do(manager, "%durable web")
    assert (result.text, result.failed) == ("web (pid 1): is over already: exited (exit 3)\n", True)


async def test_info_says_what_was_asked_for_and_what_was_used(manager):
    policy = SessionPolicy(
        timeout=90.0,
        idle_timeout=5.0,
        nice=7,
        max_cpu_seconds=60,
        max_memory_bytes=2 << 30,
        max_output_bytes=1_000_000,
        on_full=OnFull.BLOCK,
        on_leftovers=OnLeftovers.KILL,
        max_restarts=3,
        group="gpu",
        after=("0123456789",),
    )
    manager.add(
        name="web",
        pid=1,
        policy=policy,
        durable=True,
        owned=False,
        cpu=61.0,
        rss=1_500_000,
        peak_rss=9_000_000,
        processes=4,
        read_bytes=1000,
        written_bytes=2_000_000,
        problem="the disk is full",
        restarts=2,
        instance="kernel-7",
    )
    text = (await do(manager, "%info web")).text
    facts = dict(line.split("  ", 1) for line in text.splitlines() if "  " in line)
    assert {name: value.strip() for name, value in facts.items()} | {
        "status": "running, durable",
        "problem": "the disk is full",
        "restarted": "2 times so far",
        "CPU": "1m 01s",
        "memory": "1.5 MB now, 9.0 MB at most",
        "processes": "4",
        "storage": "1.0 kB read, 2.0 MB written",
        "owner": "nobody since test is gone; %adopt takes it over",
        "program": "kernel-7",
        "from": "here",
        "durable": "yes: it outlives the program that owns it",
        "time limit": "1m 30s",
        "idle limit": "5.0 s",
        "nice": "7",
        "CPU limit": "1m 00s for each process",
        "memory limit": "2.1 GB for the whole tree",
        "output limit": "1.0 MB",
        "when full": "it waits until output is discarded",
        "leftovers": "are killed",
        "restarts": "up to 3 in a row after failures",
        "group": "gpu",
        "after": "01234567",
    } == {name: value.strip() for name, value in facts.items()}
