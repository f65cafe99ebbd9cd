"""Clicks, and questions of the front-end, that do not wait for the running cell.

Both mechanisms stand on private parts of ipykernel 7. Where a version has them no more, widgets and
completion still work: they only wait for the cell.
"""

# mypy: allow-untyped-calls
# ipykernel annotates few of its methods.
from __future__ import annotations

import asyncio
import inspect
import logging
from contextvars import copy_context
from typing import Any

import comm
import ipykernel.ipkernel  # noqa: F401  sets comm.create_comm and comm.get_comm_manager
from ipykernel.kernelbase import Kernel

from vibesbox_kernel.widgets.routing import pin_comm

logger = logging.getLogger(__name__)

QUICK_REQUESTS = frozenset(
    {
        "comm_close",
        "comm_info_request",
        "comm_msg",
        "comm_open",
        "complete_request",
        "history_request",
        "inspect_request",
        "is_complete_request",
        "kernel_info_request",
    }
)
"""What is answered while a cell runs: cheap, and a page that reloads can not come up without it."""

_WIDGET_TARGETS = "jupyter.widget"


def pin_new_comms() -> None:
    """Have every comm that this process opens answered where the front-end sends its messages."""
    create = comm.create_comm
    if getattr(create, "pins", False):
        return

    def create_pinned(*args: Any, **kwargs: Any) -> Any:
        made = create(*args, **kwargs)
        pin_comm(made)
        return made

    create_pinned.pins = True  # type: ignore[attr-defined]
    comm.create_comm = create_pinned


class QuickAnswers(Kernel):
    """A kernel with comms, and with a fast lane: cheap requests are answered while a cell runs.

    Without it ipykernel handles one shell message at a time: a page that is reloaded during a cell
    would get its widgets back, and its tab key, only when the cell is over.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pin_new_comms()
        self.comm_manager = comm.get_comm_manager()  # ipykernel looks it up by this name
        self.shell_handlers["comm_open"] = self._open_comm
        self.shell_handlers["comm_msg"] = self.comm_manager.comm_msg
        self.shell_handlers["comm_close"] = self.comm_manager.comm_close

    async def shell_main(self, subshell_id: str | None, msg: Any) -> None:
        """Take one shell message; ipykernel calls it for each.

        Source: ipykernel 7.1 to 7.4, ``Kernel.shell_main`` (private).
        """
        request = self._quick_request(subshell_id, msg)
        if request is None:
            await super().shell_main(subshell_id, msg)
            return
        # In a context of its own: the running cell's parent header lives in the shell's.
        await asyncio.get_running_loop().create_task(self._answer(*request), context=copy_context())

    def _quick_request(self, subshell_id: str | None, msg: Any) -> tuple[Any, list[bytes], dict[str, Any]] | None:
        """The reply's socket, the identities and the message, if this one need not wait."""
        if subshell_id is not None or self.session is None:
            return None
        try:
            if not self._main_asyncio_lock.locked():
                return None
            idents, frames = self.session.feed_identities(msg, copy=False)
            header = self.session.deserialize(frames, content=False, copy=False)["header"]
            if header["msg_type"] not in QUICK_REQUESTS:
                return None
            socket = self.shell_channel_thread.manager.get_subshell_to_shell_channel_socket(None)
            return socket, idents, self.session.deserialize(frames, content=True, copy=False)
        except Exception:  # whatever changed in ipykernel, the slow way is still there
            logger.debug("no fast lane in this ipykernel", exc_info=True)
            return None

    async def _answer(self, socket: Any, idents: list[bytes], message: dict[str, Any]) -> None:
        self._shell_parent.set(message)
        self._shell_parent_ident.set(idents)  # type: ignore[arg-type]
        # A front-end's throttle waits for this idle; without it a widget's model would be stuck for good.
        self._publish_status("busy", "shell", parent=message)
        try:
            result = self.shell_handlers[message["header"]["msg_type"]](socket, idents, message)
            if inspect.isawaitable(result):
                await result
        except Exception:
            logger.exception("%s failed", message["header"]["msg_type"])
        finally:
            self._publish_status("idle", "shell", parent=message)

    def _open_comm(self, stream: Any, ident: Any, message: dict[str, Any]) -> None:
        content = message["content"]
        if str(content.get("target_name", "")).startswith(_WIDGET_TARGETS):
            _know_widgets()
        self.comm_manager.comm_open(stream, ident, message)
        opened = self.comm_manager.get_comm(content["comm_id"])
        if opened is not None:
            pin_comm(opened)


def _know_widgets() -> None:
    """Let front-ends ask for widgets' states; ipywidgets is loaded when the first one asks."""
    import ipywidgets

    if _WIDGET_TARGETS not in comm.get_comm_manager().targets:
        ipywidgets.register_comm_target()
