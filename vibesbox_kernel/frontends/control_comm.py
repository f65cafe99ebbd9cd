"""A comm by which a page acts on cells while they run: ``vibesbox.control``.

The page opens a comm with the target ``vibesbox.control`` and sends messages. Each is answered on the same comm by one
that repeats its ``id``, if it has any::

    {"id": 7, "action": "background", "session_id": "build"}
    {"id": 7, "action": "background", "ok": true, "session_id": "6f0c…", "pid": 4711, "name": "build"}
    {"id": 7, "action": "background", "ok": false, "error": "no cell runs in the foreground"}

| action | does |
|---|---|
| ``background`` | has nobody wait any more for a cell that runs in the foreground; it goes on |
| ``interrupt`` | interrupts one session, as an interrupt of the kernel does the one that its cell waits for |

``session_id`` is whatever a session can be called: its id, a unique beginning of that, its pid or its name. An action
on what runs in the foreground needs none where only one does.
"""

# mypy: allow-untyped-calls
# comm annotates few of its methods.
from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import comm

from vibesbox_kernel.errors import VibesboxError
from vibesbox_kernel.shell.error_words import in_words
from vibesbox_kernel.widgets.routing import pin_comm

if TYPE_CHECKING:
    from vibesbox_kernel.models import SessionInfo
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.runner import CellRunner

logger = logging.getLogger(__name__)

TARGET = "vibesbox.control"
_MAX_REF = 200


class ControlComms:
    """Answers what pages send over comms of our target.

    Args:
        manager: Whose sessions are meant.
        runner: Whose cells are meant.
    """

    def __init__(self, manager: SessionManager, runner: CellRunner) -> None:
        self._manager = manager
        self._runner = runner

    def register(self) -> None:
        """Take such comms from now on."""
        comm.get_comm_manager().register_target(TARGET, self._opened)

    def unregister(self) -> None:
        """Take no more of them."""
        comm.get_comm_manager().unregister_target(TARGET, self._opened)

    def _opened(self, opened: Any, _message: dict[str, Any]) -> None:
        pin_comm(opened)  # or, while a cell blocks the main thread, it would be answered after that

        def received(message: dict[str, Any]) -> None:
            data = message["content"]["data"]
            self._manager.engine.post_task(self._answer(opened, data), name="vibesbox-control")

        opened.on_msg(received)

    async def _answer(self, opened: Any, data: object) -> None:
        asked = data if isinstance(data, dict) else {}
        action = str(asked.get("action"))[:_MAX_REF]
        answer = {"id": asked.get("id"), "action": action}
        try:
            info = await self._act(action, _ref(asked))
        except VibesboxError as error:
            opened.send({**answer, "ok": False, "error": in_words(error)})
        except Exception:
            logger.exception("%s failed", action)
            opened.send({**answer, "ok": False, "error": "a bug in Vibesbox; its log says more"})
        else:
            opened.send({**answer, "ok": True, "session_id": info.session_id, "pid": info.pid, "name": info.name})

    async def _act(self, action: str, ref: str | None) -> SessionInfo:
        match action:
            case "background":
                return await self._runner.move_to_background(ref)
            case "interrupt":
                return await self._runner.interrupt_one(ref)
        raise VibesboxError(f"no action {action!r}; there is: background, interrupt")


def _ref(asked: dict[str, Any]) -> str | None:
    """What the page calls the session; None if it does not say."""
    ref = asked.get("session_id")
    return str(ref)[:_MAX_REF] if isinstance(ref, (str, int)) and not isinstance(ref, bool) and ref != "" else None
