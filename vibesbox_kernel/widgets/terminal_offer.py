"""A terminal that is offered: a button at first, for a cell whose program draws on the whole screen.

While the cell runs no other can be run, so no magic could open one.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import TYPE_CHECKING

from vibesbox_kernel.widgets.static_view import Publish, StaticTwin, view_bundle

if TYPE_CHECKING:
    from vibesbox_kernel.widgets.terminal_view import TerminalView


def show_offer(terminal: TerminalView, publish: Publish, loop: AbstractEventLoop) -> None:
    """Show a folded terminal. Its static picture follows when it is opened; if it never is, nothing is left of it.

    Args:
        terminal: The terminal.
        publish: Shows an output in the right cell.
        loop: Where the picture is drawn anew.
    """
    place = f"vb-offer-{terminal.twin}"
    twin = StaticTwin(
        terminal.twin, publish, loop, draw_text=lambda: terminal.picture, draw_html=lambda: terminal.picture_html
    )
    opened = False

    def changed() -> None:
        nonlocal opened
        if opened:
            twin.refresh_soon()
        elif not terminal.folded:
            opened = True
            twin.show()
        elif terminal.is_over:
            # What is saved would say "Error displaying widget" in its place, once the kernel is gone.
            publish({"text/plain": ""}, display_id=place, update=True)
            terminal.close()

    publish(view_bundle(terminal), display_id=place)
    terminal.on_change = changed
    loop.call_soon_threadsafe(changed)  # it may be over already
