"""One limit for what all sessions of a user have stored, whatever broker they belong to.

A broker knows to the byte what its own sessions have stored. What others have, dead ones included, it
learns by looking into their directories, a little at a time, so that nothing ever waits for it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vibesbox_kernel.broker.wire import SEGMENT_PREFIX

if TYPE_CHECKING:
    from vibesbox_kernel.broker.spool import Spool

USER_LIMIT_BYTES = 4 << 30
MEMORY_BYTES = 4 << 20
"""What all sessions together may keep in memory of output that the disk refuses."""

LOOK_SECONDS = 10.0
IDLE_LOOK_SECONDS = 60.0
"""How old a look at the others may get while the limit is far away: each may be far from it, and all not."""

LOOKS_AT_ONCE = 100
MAX_FILES = 256
MIN_FILES = 8
_FAR_SHARE = 2
_OWN_SHARE = 64


class Budget:
    """Counts, and makes room at the cost of the oldest.

    Args:
        root: Where all brokers of this user have their directories.
        own_directory: This broker's, in there.
        limit_bytes: What all of them may store together. Whatever the others have, this broker may
            use a 64th of it: output that others hold must not keep ours from being seen at all.

    Attributes:
        stored: What this broker's sessions have stored; kept by their spools.
        memory: What they keep in memory because the disk refuses; kept by their spools.
        others: What the other brokers' sessions had stored when it was last looked.
    """

    def __init__(self, root: str, own_directory: str, *, limit_bytes: int = USER_LIMIT_BYTES) -> None:
        self.stored = 0
        self.memory = 0
        self.others = 0
        self._root = root
        self._own_directory = own_directory
        self._own_name = os.path.basename(own_directory)
        self._limit_bytes = limit_bytes
        self._open: dict[Spool, None] = {}
        self._ended: dict[Spool, None] = {}  # in the order of their end
        self._files: dict[Spool, None] = {}  # those that hold a descriptor, longest first
        # A broker may forget tens of thousands of sessions: some 45 bytes for each, and the rest is on disk.
        self._forgotten = bytearray()  # directories' names and sizes, each with a slash behind it, oldest first
        self._looking: Iterator[int] | None = None
        self._found = 0
        self._looked_at: float | None = None

    def claim(self, wanted: int) -> None:
        """Make room for what is about to be written.

        Raises:
            OSError: ``EDQUOT``: there is no room, and nothing that may be dropped.
        """
        if self._excess(wanted) > 0 and not self._make_room(wanted):
            raise OSError(errno.EDQUOT, f"All sessions together may store {_words(self._limit_bytes)}, and have")

    @property
    def free_files(self) -> int:
        """Descriptors that spools may still take: an eighth of all, at most 256, is set aside for them."""
        return max(0, _max_files() - len(self._files))

    def take_file(self, spool: Spool) -> None:
        """A spool is about to open its segment; the one that holds its own the longest lets go if there are many."""
        while self._files and len(self._files) >= _max_files():
            next(iter(self._files)).suspend()
        self._files[spool] = None

    def free_file(self, spool: Spool) -> None:
        """A spool has let go of its segment."""
        self._files.pop(spool, None)

    def memory_left(self) -> int:
        """Bytes that sessions may still keep in memory."""
        return max(0, MEMORY_BYTES - self.memory)

    def opened(self, spool: Spool) -> None:
        """A session begins a segment."""
        self._ended.pop(spool, None)
        self._open[spool] = None
        self._look()

    def closed(self, spool: Spool) -> None:
        """A session's output has ended."""
        self._open.pop(spool, None)
        if spool.stored:
            self._ended[spool] = None

    def forget(self, spool: Spool, *, removed: bool) -> None:
        """The broker does not list a session any more; one that has stored nothing, or is forgotten, is fine.

        Args:
            removed: Its directory is gone; otherwise its output still counts, and goes before all other.
        """
        if spool not in self._open and spool not in self._ended:
            return
        self._open.pop(spool, None)
        self._ended.pop(spool, None)
        if removed:
            self.stored -= spool.stored
        elif spool.stored:
            self._forgotten += b"%s/%d/" % (os.fsencode(os.path.basename(spool.directory)), spool.stored)

    def go_on_looking(self) -> None:
        """To be called about once a second: a look at the others that has begun comes to its end."""
        if self._looking is not None:
            self._advance(self._looking)

    def _excess(self, wanted: int) -> int:
        allowed = max(self._limit_bytes - self.others, self._limit_bytes // _OWN_SHARE)
        return self.stored + wanted - allowed

    def _make_room(self, wanted: int) -> bool:
        while self._excess(wanted) > 0:
            if not (self._free_forgotten() or self._free_ended() or self._free_running() or self._free_kept()):
                return False
        return True

    def _free_forgotten(self) -> int:
        """The oldest session that the broker has forgotten, as a whole; somebody may have removed it before."""
        while self._forgotten:
            name, size, self._forgotten = self._forgotten.split(b"/", 2)
            directory = f"{self._own_directory}/{os.fsdecode(bytes(name))}"
            for path in _segments(directory):
                _remove(path)
            freed = int(size) - sum(map(_size, _segments(directory)))
            if freed > 0:
                self.stored -= freed
                return freed
        return 0

    def _free_ended(self) -> int:
        return self._free_first([spool for spool in self._ended if not spool.blocks])

    def _free_running(self) -> int:
        """A segment of the one that stores the most; who rather waits than loses anything is left alone."""
        candidates = [spool for spool in self._open if not spool.blocks and spool.stored]
        return max(candidates, key=lambda spool: spool.stored).drop_oldest_segment() if candidates else 0

    def _free_kept(self) -> int:
        """Of those that would have waited rather, the ended ones: better than to lose what is new."""
        return self._free_first(list(self._ended))

    def _free_first(self, ended: list[Spool]) -> int:
        for spool in ended:
            freed = spool.drop_oldest_segment()
            if not spool.stored:
                del self._ended[spool]
            if freed:
                return freed
        return 0

    def _look(self) -> None:
        if self._looking is not None:
            return  # it goes on by itself: who has just begun to put out something is not kept waiting for it
        far = self.stored + self.others < self._limit_bytes // _FAR_SHARE
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at >= (IDLE_LOOK_SECONDS if far else LOOK_SECONDS):
            self._looked_at = now
            self._found = 0
            self._looking = self._sizes_of_others()
            self._advance(self._looking)

    def _advance(self, looking: Iterator[int]) -> None:
        for _ in range(LOOKS_AT_ONCE):
            size = next(looking, None)
            if size is None:
                self.others, self._looking = self._found, None
                return
            self._found += size

    def _sizes_of_others(self) -> Iterator[int]:
        """What lies beside our own directory, in many small steps, some of which find nothing."""
        for instance in _names(self._root):
            if instance == self._own_name:
                continue
            for session in _names(f"{self._root}/{instance}"):
                yield 0
                for path in _segments(f"{self._root}/{instance}/{session}"):
                    yield _size(path)


def _max_files() -> int:
    return min(MAX_FILES, max(MIN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # no directory, or one that is just being deleted
        return []


def _segments(directory: str) -> list[str]:
    return [f"{directory}/{name}" for name in _names(directory) if name.startswith(SEGMENT_PREFIX)]


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _words(count: int) -> str:
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        del units[0]
    return f"{size:.4g} {units[0]}"
