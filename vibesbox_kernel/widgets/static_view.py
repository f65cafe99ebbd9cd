"""What stands in a live view's place where there is no kernel or no widgets: a static picture.

Two outputs are shown. The first is the live view. The second is the picture, as HTML and as text; the
live view hides it by a style of its own. One output with all three would not do: JupyterLab shows an
error in place of a widget whose kernel is gone, whatever else the output holds.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop, TimerHandle
from typing import TYPE_CHECKING, Any, Protocol

from vibesbox_kernel.widgets.rows import Describe
from vibesbox_kernel.widgets.table import SessionTable

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager

MimeBundle = dict[str, Any]
REFRESH_SECONDS = 2.0
"""A picture is made anew at most this often; in JupyterLab each time costs a layout."""


class Publish(Protocol):
    """Shows a MIME bundle in the cell that asked for the table; may be called from any thread."""

    def __call__(self, data: MimeBundle, *, display_id: str | None = None, update: bool = False) -> None:
        """Show the bundle, or put it in place of what has this display id."""


class Picture(Protocol):
    """Draws the sessions as they are now."""

    def __call__(self) -> str:
        """The sessions as text or as HTML."""


def show_table(
    manager: SessionManager,
    publish: Publish,
    *,
    describe: Describe,
    draw_text: Picture,
    draw_html: Picture,
    running_limit: int = 100,
    ended_limit: int = 20,
) -> SessionTable:
    """Show a live table of a manager's sessions with its static picture beside it.

    Args:
        manager: Whose sessions are shown.
        publish: Shows an output in the right cell.
        describe: Puts a session into words, for the live table.
        draw_text: Draws the picture as text.
        draw_html: Draws the picture as HTML.
        running_limit: At most so many running sessions in the live table, the newest.
        ended_limit: At most so many ended ones, those that ended last.
    """
    table = SessionTable(manager, describe=describe, running_limit=running_limit, ended_limit=ended_limit)
    publish(view_bundle(table))
    twin = StaticTwin(table.twin, publish, manager.engine.loop, draw_text=draw_text, draw_html=draw_html)
    twin.show()
    table.on_change = twin.refresh_soon
    return table


def view_bundle(table: SessionTable) -> MimeBundle:
    """The output that holds a live view and nothing else."""
    bundle = table._repr_mimebundle_()
    data: MimeBundle = dict(bundle[0]) if bundle else {}
    data["text/plain"] = ""  # the picture beside it speaks for both
    return data


class StaticTwin:
    """The picture of one live table.

    Args:
        twin: The mark of the table.
        publish: Shows an output in the table's cell.
        loop: Where it is drawn anew.
        draw_text: Draws the picture as text.
        draw_html: Draws the picture as HTML.
    """

    def __init__(
        self, twin: str, publish: Publish, loop: AbstractEventLoop, *, draw_text: Picture, draw_html: Picture
    ) -> None:
        self._twin = twin
        self._publish = publish
        self._loop = loop
        self._draw_text = draw_text
        self._draw_html = draw_html
        self._last = 0.0
        self._timer: TimerHandle | None = None

    def show(self) -> None:
        """Show it for the first time."""
        self._send(update=False)

    def refresh_soon(self) -> None:
        """Have it drawn anew, soon and not too often; to be called on the loop only."""
        if self._timer is None:
            wait = max(0.0, self._last + REFRESH_SECONDS - time.monotonic())
            self._timer = self._loop.call_later(wait, self._redraw)

    def _redraw(self) -> None:
        self._timer = None
        self._send(update=True)

    def _send(self, *, update: bool) -> None:
        self._last = time.monotonic()
        html = f'<div class="vb-static-{self._twin}">{self._draw_html()}</div>'
        data = {"text/plain": self._draw_text(), "text/html": html}
        self._publish(data, display_id=f"vb-static-{self._twin}", update=update)
