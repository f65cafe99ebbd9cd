"""The links of one manager: to its own broker, started when needed, and to those of sessions that it looks at.

Everything in here runs on the engine's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from vibesbox_kernel.broker.wire import Message
from vibesbox_kernel.errors import BrokerError
from vibesbox_kernel.sessions.link import BrokerLink
from vibesbox_kernel.sessions.places import Places


class Links:
    """One link an instance.

    Args:
        home: The id of the manager's own instance.
        places: Makes the directories of that instance.
        label: Who we are, for people.
        on_message: Called with an instance and an event of its broker.
        on_lost: Called with an instance whose link has ended, and whether that was our doing.
    """

    def __init__(
        self,
        home: str,
        *,
        places: Callable[[], Places],
        label: str,
        on_message: Callable[[str, Message], None],
        on_lost: Callable[[str, bool], None],
    ) -> None:
        self._home = home
        self._places = places
        self._label = label
        self._on_message = on_message
        self._on_lost = on_lost
        self._links: dict[str, BrokerLink] = {}
        self._lost: list[BrokerLink] = []  # their guardians may still be busy, and are ours to reap
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._over = False

    def get(self, instance: str) -> BrokerLink | None:
        """The open link to an instance's broker, or None."""
        link = self._links.get(instance)
        return link if link is not None and link.is_open else None

    async def open_home(self) -> tuple[BrokerLink, bool]:
        """The link to our own broker, and whether it was opened just now."""
        return await self._open(self._home, self._places(), follows=False)

    async def open(self, instance: str, places: Places) -> BrokerLink:
        """The link to another program's broker, which must be there.

        Raises:
            BrokerError: It is not.
        """
        return (await self._open(instance, places, follows=True))[0]

    async def request(self, instance: str, operation: str, **fields: Any) -> dict[str, Any] | None:
        """Ask an instance's broker; None when there is no link to it."""
        link = self.get(instance)
        return None if link is None else await link.request(operation, **fields)

    async def ask_anew(self, instance: str) -> None:
        """Hear how every session of an instance stands, after events were missed."""
        link = self.get(instance)
        if link is not None:
            with contextlib.suppress(BrokerError):  # it has just ended, of which we are told
                await link.introduce(self._label)

    async def close(self, *, stays: Callable[[str], bool]) -> None:
        """End all leases and wait until the brokers that we started have left.

        Args:
            stays: Whether an instance's broker will not leave, because it has sessions that outlive us.
        """
        async with self._opening[self._home]:
            links, self._links = self._links, {}
            lost, self._lost = self._lost, []
            await asyncio.gather(
                *(link.aclose(leave=not stays(instance)) for instance, link in links.items()),
                *(link.aclose() for link in lost),
            )

    def end(self) -> list[BrokerLink]:
        """End all leases at once, without waiting, and open no link any more; returns what was open."""
        self._over = True
        return self.drop()

    def drop(self) -> list[BrokerLink]:
        """End all leases at once, without waiting; returns what was open."""
        links, self._links = [*self._links.values(), *self._lost], {}
        self._lost = []
        for link in links:
            link.abort()
        return links

    async def _open(self, instance: str, places: Places, *, follows: bool) -> tuple[BrokerLink, bool]:
        open_already = self.get(instance)
        if open_already is not None:
            return open_already, False
        async with self._opening[instance]:
            link = self.get(instance)
            if link is not None:
                return link, False
            self._check_not_over()
            self._lost = [one for one in (*self._lost, self._links.pop(instance, None)) if one and not one.has_left]
            link = await BrokerLink.open(
                places,
                lambda message: self._on_message(instance, message),
                lambda closing: self._on_lost(instance, closing),
                label=self._label,
                follows=follows,
            )
            if not link.is_open:
                self._lost.append(link)
                raise BrokerError("the broker ended as soon as it was there")
            if self._over:  # meanwhile
                link.abort()
                link.reap_later()
            self._check_not_over()
            self._links[instance] = link
            return link, True

    def _check_not_over(self) -> None:
        if self._over:
            raise BrokerError("the background thread of these sessions is ending")
