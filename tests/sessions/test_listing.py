"""The views of a manager: by pid, by id, by name; bounded; and the events that feed them."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from vibesbox_kernel.errors import AmbiguousReferenceError, SessionNotFoundError
from vibesbox_kernel.models import EndReason, EventKind, SessionStatus
from vibesbox_kernel.sessions import SessionManager

pytestmark = pytest.mark.anyio


async def test_a_manager_that_is_not_used_starts_nothing():
    manager = SessionManager()
    assert manager.list_sessions() == []
    assert (dict(manager.sessions), dict(manager.completed)) == ({}, {})
    assert manager.get_session(1) is None
    await manager.cleanup_all()
    await manager.aclose()


async def test_a_listing_says_what_there_is_to_say(manager, tmp_path):
    before = datetime.now(UTC)
    pid = await manager.start_session("exit 3", name="job", cwd=tmp_path)
    await manager.wait(pid)
    (info,) = manager.list_sessions()
    assert (info.pid, info.name, info.command, info.cwd) == (pid, "job", "exit 3", str(tmp_path))
    assert (info.status, info.exit_code, info.signal) == (SessionStatus.COMPLETED, 3, None)
    assert before <= info.started_at <= info.ended_at <= datetime.now(UTC)
    assert info.duration == pytest.approx((info.ended_at - info.started_at).total_seconds(), abs=0.01)
    session = manager.get_session(pid)
    assert session is manager.get_session(info.session_id)
    assert session is manager.completed[pid]
    assert session.started_at == pytest.approx(info.started_at.timestamp(), abs=0.001)
    assert len(session.session_id) == 36


async def test_a_session_says_by_itself_what_its_listing_says(manager):
    """Ours: who needs one fact need not have all of them described."""
    first = await manager.start_session("read line; kill -9 $$", name="first")
    after = await manager.submit_session("true", after=[first])

    def facts(ref):
        session, info = manager.get_session(ref), manager.info(ref)
        return (
            (session.is_queued, session.end_reason, session.cpu, session.peak_rss),
            (info.status is SessionStatus.QUEUED, info.end_reason, info.cpu, info.peak_rss),
        )

    await manager.refresh_usage()
    running, queued = facts(first), facts(after)
    assert running[0] == running[1]
    assert queued[0] == queued[1] == (True, None, None, None)
    await manager.send_input(first, "go\n")
    await manager.wait(first)
    await manager.wait(after)
    ended, cancelled = facts(first), facts(after)
    assert ended[0] == ended[1]
    assert ended[0][3] > 0
    assert cancelled[0] == cancelled[1] == (False, EndReason.CANCELLED, None, None)


async def test_a_session_is_found_by_pid_id_prefix_and_name(manager):
    pid = await manager.start_session("sleep 600", name="web")
    session_id = manager.info(pid).session_id
    for ref in (pid, str(pid), session_id, session_id[:13], "web"):
        assert manager.info(ref).session_id == session_id
    for wrong in ("", "we", 999_999_999, "-"):
        with pytest.raises(SessionNotFoundError):
            manager.info(wrong)
    await manager.terminate_session("web", force=True)


async def test_a_prefix_that_fits_several_is_refused(manager):
    ids: list[str] = []
    while len({one[0] for one in ids}) == len(ids):  # at most 17 sessions
        ids.append(await manager.submit_session("true"))
    shared = ids[-1][0]
    with pytest.raises((AmbiguousReferenceError, SessionNotFoundError)) as caught:
        manager.info(shared)
    assert isinstance(caught.value, AmbiguousReferenceError) or shared.isdigit()
    for one in ids:
        await manager.wait(one)


async def test_the_history_is_bounded_and_takes_its_files_along(isolation):
    async with SessionManager(max_completed_sessions=3) as manager:
        for number in range(6):
            await manager.run(f"echo {number}")
        assert [session.command for session in manager.completed.values()] == ["echo 3", "echo 4", "echo 5"]
        assert len(manager.list_sessions()) == 3
        assert len(list((isolation / "state").rglob("meta.json"))) == 3


async def test_events_tell_a_session_s_whole_life_in_order(manager):
    async with manager.events() as stream:
        pid = await manager.start_session("echo out; exit 4")
        kinds = []
        with anyio.fail_after(5):
            async for event in stream:
                kinds.append(event.kind)
                assert event.info.pid == pid
                if event.kind is EventKind.ENDED:
                    break
    assert event.info.exit_code == 4
    assert event.end_cursor == 4
    assert [kind for kind in kinds if kind not in (EventKind.OUTPUT, EventKind.DRAINED)] == [
        EventKind.STARTED,
        EventKind.EXITED,
        EventKind.ENDED,
    ]
    assert EventKind.DRAINED in kinds


async def test_the_last_event_says_how_it_ended(manager):
    async with manager.events() as stream:
        pid = await manager.start_session("sleep 600")
        await manager.terminate_session(pid, force=True)
        with anyio.fail_after(5):
            async for event in stream:
                if event.kind in (EventKind.ENDED, EventKind.KILLED, EventKind.LOST):
                    break
    assert event.kind is EventKind.KILLED
    assert event.info.status is SessionStatus.TERMINATED


async def test_usage_is_that_of_the_whole_tree(manager, lifeline):
    burn = "python3 -c \"x = b'x' * 40_000_000; t = __import__('time'); e = t.process_time() + .2\n"
    burn += f"while t.process_time() < e: pass\nopen('{lifeline.path}', 'w').write('up'); t.sleep(600)\""
    pid = await manager.start_session(f"{burn} & wait")
    with anyio.fail_after(10):
        await lifeline.held()
        await manager.refresh_usage()
    info = manager.info(pid)
    assert info.cpu >= 0.2
    assert info.rss > 40_000_000
    await manager.terminate_session(pid, force=True)
    assert manager.info(pid).rss is None


async def test_sessions_of_one_manager_are_not_those_of_another(manager):
    async with SessionManager() as other:
        pid = await manager.start_session("sleep 600")
        assert other.get_session(pid) is None
        assert await other.terminate_session(pid) is False
        assert manager.info(pid).is_running
    await manager.terminate_session(pid, force=True)
