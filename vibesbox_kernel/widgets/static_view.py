"""What stands in a live view's place where there is no kernel or no widgets: a static picture.

Two outputs are shown. The first is the live view. The second is the picture, as HTML and as text; the
live view hides it by a style of its own. One output with all three would not do: JupyterLab shows an
error in place of a widget whose kernel is gone, whatever else the output holds.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop, TimerHandle
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from vibesbox_kernel.widgets.live import LiveWidget

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


def show_live(view: LiveWidget, publish: Publish, loop: AbstractEventLoop, *, text: Picture, html: Picture) -> None:
    """Show a live view with its static picture beside it.

    Args:
        view: The view.
        publish: Shows an output in the right cell.
        loop: Where the picture is drawn anew.
        text: Draws the picture as text.
        html: Draws the picture as HTML.
    """
    publish(view_bundle(view))
    twin = StaticTwin(view.twin, publish, loop, draw_text=text, draw_html=html)
    twin.show()
    view.on_change = twin.refresh_soon


def view_bundle(view: LiveWidget) -> MimeBundle:
    """The output that holds a live view and nothing else."""
    bundle = view._repr_mimebundle_()
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
