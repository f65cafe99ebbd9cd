"""What one session has shown besides its output: how much of it there may be, and what takes the place of what."""

from __future__ import annotations

from vibesbox_kernel.errors import DisplayRefusedError
from vibesbox_kernel.sessions.displays import Display
from vibesbox_kernel.shell.human import format_bytes

MAX_DISPLAYS = 200
MAX_BYTES = 50_000_000


class Gallery:
    """Counts what a front-end keeps of a session's displays.

    Args:
        session_id: The session; another one's displays have other ids.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._sizes: list[int] = []
        self._places: dict[str, int] = {}

    def admit(self, display: Display) -> tuple[str | None, bool]:
        """Find a place for a display.

        Returns:
            The id under which a front-end is to know it, if it has one, and whether it replaces an earlier one.

        Raises:
            DisplayRefusedError: There is no room.
        """
        place = None if display.display_id is None else self._places.get(display.display_id)
        before = 0 if place is None else self._sizes[place]
        if place is None and len(self._sizes) >= MAX_DISPLAYS:
            raise DisplayRefusedError(f"this cell shows {MAX_DISPLAYS} displays already; --id replaces one in place")
        if sum(self._sizes) - before + display.size > MAX_BYTES:
            raise DisplayRefusedError(f"this cell would show more than {format_bytes(MAX_BYTES)}")
        if place is None:
            self._sizes.append(display.size)
            if display.display_id is not None:
                self._places[display.display_id] = len(self._sizes) - 1
        else:
            self._sizes[place] = display.size
        return self._full_id(display.display_id), place is not None

    def _full_id(self, display_id: str | None) -> str | None:
        return None if display_id is None else f"vb-show-{self._session_id}-{display_id}"
