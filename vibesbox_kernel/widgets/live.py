"""What all live views have in common: one small anywidget each, kept up to date on the manager's engine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anywidget
import traitlets

from vibesbox_kernel.widgets.routing import pin_comm

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

Work = Callable[[], Coroutine[Any, Any, None]]
Message = dict[str, Any]
Buffers = Sequence[memoryview]

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
VIEW_LEASE_SECONDS = 150.0
"""How long after its last word a view counts as alive; five of its signs of life may get lost."""


def module(*names: str) -> str:
    """The JavaScript module of a view, of which a page loads one text: static files, in their order."""
    return "\n".join((STATIC / name).read_text("utf-8") for name in names)


def number_in(message: Message, key: str, *, least: int = 0) -> int:
    """A number of the browser's; the least if it is none."""
    value = message.get(key)
    return max(least, value) if isinstance(value, int) else least


class LiveWidget(anywidget.AnyWidget):
    """A view of a manager's sessions that changes by itself.

    Traits are set on the manager's engine only (they are not thread-safe), and the browser sends
    custom messages only (a synced trait changed during a cell can wedge its model for good).

    Args:
        manager: Whose sessions are shown.
        state: The first values of the traits.

    Attributes:
        twin: What the static picture of this view is marked with; a live view hides its own.
        notice: A line for the user, such as why the view does not follow any more.
        on_change: Called on the engine's loop when the picture is out of date; may be set at any time.
    """

    noun = "view"

    twin = traitlets.Unicode().tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)

    def __init__(self, manager: SessionManager, **state: Any) -> None:
        self._manager = manager
        self.on_change: Callable[[], None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._view_until = 0.0
        super().__init__(**state, twin=uuid4().hex[:12])
        pin_comm(self.comm)
        self.on_msg(self._hear)
        # From here on the engine alone touches the traits. Its tasks inherit this caller's context and
        # with it the request that the comm's messages answer.
        manager.engine.post(self._start)

    def close(self) -> None:
        """Take the view away and stop following the sessions; may be called from any thread."""
        manager: SessionManager | None = getattr(self, "_manager", None)  # None: the constructor failed
        if manager is None or self._closed:
            return
        self._closed = True
        if manager.engine.loop.is_closed():  # and everything that ran on it is over
            self._close_comms()
        else:
            manager.engine.post(self._stop)

    # Everything below runs on the engine's loop, _hear excepted.

    def _start(self) -> None:
        """Begin to follow; a subclass starts its work here, with ``_own``."""

    def _obey(self, message: Message, buffers: Buffers) -> None:
        """Do what the browser asks for; a subclass says what that can be."""

    @property
    def _has_view(self) -> bool:
        """Whether a browser has been heard of lately."""
        return time.monotonic() < self._view_until

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._close_comms()

    def _close_comms(self) -> None:
        """Our own, and that of the layout, which nobody else would close."""
        layout = self.layout
        super().close()
        layout.close()

    def _own(self, work: Work) -> asyncio.Task[None]:
        """Do something in the background, as long as this view lives."""
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:
            logger.exception("the %s %s failed", self.noun, self.twin)
            self.notice = f"This {self.noun} does not follow any more ({error}); show a new one."

    def _hear(self, _widget: object, content: object, buffers: Buffers) -> None:
        """Take the browser's message, on whatever thread Jupyter handles it, and hand it on."""
        if isinstance(content, dict):
            self._manager.engine.post(self._take, content, buffers)

    def _take(self, message: Message, buffers: Buffers) -> None:
        if not self._closed:
            self._view_until = time.monotonic() + VIEW_LEASE_SECONDS
            self._obey(message, buffers)
