"""The blocking twin has the same verbs, and means the same by them."""

from __future__ import annotations

import inspect

import pytest

from vibesbox_kernel.models import EventKind
from vibesbox_kernel.sessions import BlockingSessionManager, SessionManager


def test_the_verbs_work_without_a_loop():
    with BlockingSessionManager() as manager:
        pid = manager.start_session("read x; echo got $x; exit 4", name="one")
        events = manager.events()
        manager.send_input(pid, "it\n")
        assert manager.wait("one", timeout=10).exit_code == 4
        kinds = set(iter(lambda: next(events).kind, EventKind.ENDED))
        assert kinds >= {EventKind.EXITED, EventKind.DRAINED}
        assert manager.read_output(pid) == "got it\n"
        assert manager.read(pid, 4, max_bytes=2).data == b"it"
        assert manager.tail(pid) == "got it\n"
        assert manager.run("exit 2").exit_code == 2
        assert manager.terminate_session(pid) is False
        sleeper = manager.start_session("sleep 600")
        manager.refresh_usage()
        assert manager.info(sleeper).rss
        assert sleeper in manager.sessions
        assert manager.terminate_session(sleeper, force=True)
        assert not manager.sessions
        assert manager.list_sessions()[0].pid == pid


def test_every_verb_has_the_signature_of_its_namesake():
    """Ours: the twin adds no logic, so nothing may differ but the waiting."""
    prepared = {"prepare_session", "begin_session", "discard_session", "wait_handover", "resume_session"}
    left_out = prepared | {"settle_session", "exited_cursor", "submit_session", "wait_exited", "release", "aclose"}
    left_out |= {"post_signal", "output_end"}
    verbs = {name for name, one in vars(SessionManager).items() if inspect.isfunction(one) and name[0] != "_"}
    for name in verbs - left_out:
        ours = inspect.signature(getattr(BlockingSessionManager, name)).parameters
        theirs = inspect.signature(getattr(SessionManager, name)).parameters
        assert {n: p.default for n, p in ours.items()} == {n: p.default for n, p in theirs.items()}, name


def test_an_error_is_the_same():
    with BlockingSessionManager() as manager, pytest.raises(ValueError, match="must not be empty"):
        manager.start_session("")
