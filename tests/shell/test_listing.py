"""``%ps -f``: a listing that is made anew when something has happened."""

from __future__ import annotations

import re

import anyio
import pytest

from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.listing import LiveListing
from vibesbox_kernel.shell.magic_args import PsArgs
from vibesbox_kernel.shell.table_text import columns

pytestmark = pytest.mark.anyio


async def _next_with(listing: LiveListing, text: str, rows: int | None = None) -> str:
    """The first listing that has a text in it."""
    with anyio.fail_after(10):
        while text not in (shown := (await listing.next(width=80, rows=rows)).text):
            pass
    return shown


async def test_it_tells_what_has_happened_since(manager: SessionManager):
    """Ours: at once what there is, then what becomes of it."""
    listing = LiveListing(manager, PsArgs(follow=True))
    assert (await listing.next(width=80)).text == "no sessions\nno sessions\n"
    pid = await manager.start_session("read line; exit 3", name="asked")
    await _next_with(listing, "asked")
    await manager.send_input(pid, "go\n")
    ended = await _next_with(listing, "1 ended")
    assert re.search(r"asked +\d+ +exited +3 ", ended)
    await listing.aclose()


async def test_what_lives_comes_first_where_there_is_little_room(manager: SessionManager):
    """Ours: a terminal of few lines shows what runs, and says how many it does not show."""
    for number in range(4):
        await manager.wait(await manager.start_session("true", name=f"over{number}"))
    await manager.start_session("sleep 600", name="alive")
    shown = await _next_with(LiveListing(manager, PsArgs(follow=True)), "alive", rows=6)
    lines = shown.splitlines()
    assert lines[0] == "1 running, 4 ended"
    assert [line.split()[0] for line in lines[2:5]] == ["alive", "over3", "over2"]
    assert lines[5:] == ["… and 2 more"]
    assert max(map(columns, lines)) <= 80


async def test_colours_say_how_each_stands(manager: SessionManager):
    """Ours: and take no room."""
    await manager.wait(await manager.start_session("exit 3", name="界"))
    result = await LiveListing(manager, PsArgs(follow=True)).next(width=80, colour=True)
    assert "\x1b[31mexited\x1b[0m" in result.text
    plain = await LiveListing(manager, PsArgs(follow=True)).next(width=80)
    assert re.sub(r"\x1b\[\d+m", "", result.text) == plain.text
