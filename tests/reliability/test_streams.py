"""Tests 13 to 16 and 18: streams that close, stay open, flood and split, while nobody looks."""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.lifeline import BlockingLifeline
from tests.reliability.observer import resident_bytes
from tests.reliability.scale import scaled
from tests.reliability.talker import IN_PIECES, NUMBERED, strange_bytes
from tests.reliability.trees import python
from tests.sessions.program import running
from vibesbox_kernel.models import SessionStatus

MIB = 1 << 20


@pytest.mark.anyio
async def test_closing_streams_in_any_order_is_not_an_end(manager, observer, figure):
    """POSIX: a process lives as long as it likes without standard streams."""
    dice, expected = random.Random(13), {}
    for number in range(24):
        closes = dice.sample(["exec >&-", "exec 2>&-", "exec <&-"], dice.randint(1, 3))
        says = "".join(f"echo out{step} 2>&-; echo err{step} >&2; {close}; " for step, close in enumerate(closes))
        pid = await manager.start_session(f"{{ {says} }} 2>/dev/null; echo end; sleep 0.2; exit {number}")
        expected[pid] = number
    with anyio.fail_after(20):
        for pid, code in expected.items():
            assert manager.info(pid).status is SessionStatus.RUNNING or manager.info(pid).exit_code == code
            assert (await manager.wait(pid)).exit_code == code
    observer.wait_gone()
    figure(13, "sessions ended by a closed stream", 0, "sessions", target="0", scale=f"{len(expected)} sessions")


@pytest.mark.anyio
async def test_an_exit_is_told_while_a_grandchild_holds_the_pipe(manager, lifeline, figure):
    """Ours: who waits for end of file would wait for the grandchild; its later output is kept all the same."""
    late = []
    for number in range(20):
        script = f"(exec 9<>{lifeline.path}.go; read x <&9; echo later) & date +%s.%N; exit {number}"
        Path(f"{lifeline.path}.go").unlink(missing_ok=True)
        os.mkfifo(f"{lifeline.path}.go")
        pid = await manager.start_session(script, shell="/bin/bash")
        with anyio.fail_after(10):
            assert await manager.wait_exited(pid) == number
            seen = time.time()
            info = manager.info(pid)
            assert (info.status, info.exit_code) == (SessionStatus.RUNNING, number)
            late.append(seen - float((await manager.read_output(pid)).strip()))
            Path(f"{lifeline.path}.go").write_text("go\n")
            await manager.wait(pid)
            assert await manager.read_output(pid) == "later\n"
    figure(14, "exit told while a grandchild holds the pipe", statistics.median(late) * 1000, "ms", target="< 100 ms")


def _segments(directory: Path) -> Iterator[tuple[int, int]]:
    for path in directory.glob("out.*"):
        yield int(path.name.partition(".")[2]), path.stat().st_size


@scaled("size", short=64 * MIB, soak=1024 * MIB)
def test_a_flood_goes_on_while_its_owner_is_blocked(size, isolation, observer, figure):
    """Ours: the broker drains, whatever the owner's main thread does; every byte is stored or counted."""
    done = BlockingLifeline(isolation / "done")
    began = time.monotonic()
    subprocess.run(f"head -c {size} /dev/zero | cat >{isolation}/plain", shell=True, check=True)
    plain = time.monotonic() - began
    (isolation / "plain").unlink()
    command = f"S=$(date +%s.%N); head -c {size} /dev/zero; echo $S $(date +%s.%N) >{done.path}; exit 5"
    try:
        with running([(command, "/bin/sh")], block=True) as program:
            first, last = map(float, done.lines(1, timeout=110)[0].split())
            resident = resident_bytes(program.broker)
            (record,) = _records_when_over(isolation)
            program.kill()
        observer.wait_gone()
    finally:
        done.close()
    assert record["returncode"] == 5
    assert record["end_cursor"] == size
    assert record["stored"] + record["dropped_bytes"] == size
    assert resident < 20 * MIB
    scale = f"{size // MIB} MiB, owner blocked"
    figure(15, "a flood nobody reads, beside cat into a file", (last - first) / plain, "×", scale=scale)
    figure(15, "the broker's memory in a flood", resident / MIB, "MiB", target="< 20 MiB", scale=scale)


def _records_when_over(root: Path, timeout: float = 20) -> list[dict[str, int]]:
    """What is on disk of the sessions, once it says that they are over."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = []
        for path in root.rglob("exit.json"):
            text = path.read_text("utf-8")
            found.append((json.loads(text) if text.strip() else {}, path.parent))
        if found and all(facts.get("status") == "over" for facts, _ in found):
            return [{**facts, "stored": sum(size for _, size in _segments(parent))} for facts, parent in found]
        time.sleep(0.01)
    raise AssertionError("no session is over on disk")


@pytest.mark.anyio
@pytest.mark.parametrize("io", ["pipe", "pty"])
@scaled("size", short=2 * MIB, soak=100 * MIB)
async def test_one_line_of_any_bytes_comes_as_it_was_written(manager, figure, tmp_path, size, io):
    """Ours: no line is too long, no byte is special, and a character split between two reads is one character."""
    size //= 1 if io == "pipe" else 4  # a terminal is thirty times as slow
    source = tmp_path / "source"
    source.write_bytes(written := strange_bytes(size, seed=16).replace(b"\n", b" "))
    texts, digest, cursor, dice = [], hashlib.sha256(), 0, random.Random(2)
    began = time.monotonic()
    pid = await manager.start_session(f"exec {python(IN_PIECES, PATH=str(source))}", io=io)
    while not (chunk := await manager.read(pid, cursor, max_bytes=dice.choice((1000, 65_535, MIB)), wait=None)).eof:
        digest.update(chunk.data)
        cursor = chunk.next_cursor
        texts.append(await manager.read_output(pid))
    await manager.wait(pid)
    texts.append(await manager.read_output(pid))
    seconds = time.monotonic() - began
    assert (cursor, digest.hexdigest()) == (len(written), hashlib.sha256(written).hexdigest())
    assert "".join(texts) == written.decode("utf-8", "replace")
    figure(16, f"a line of any bytes through a {io}", size / MIB / seconds, "MiB/s", scale=f"{size / MIB:g} MiB")


@pytest.mark.anyio
@scaled("lines", short=20_000, soak=100_000)
async def test_both_streams_at_once_are_complete(manager, figure, lines):
    """Ours: ten megabytes each, at the same time, from four processes; each one's order is kept."""
    letters = "abcd"
    writers = [python(NUMBERED, LETTER=letter.encode(), LINES=lines) for letter in letters]
    with anyio.fail_after(100):
        result = await manager.run(f"{' & '.join(writers)} & wait")
    assert result.exit_code == 0
    came: dict[str, list[str]] = {letter: [] for letter in letters}
    for line in result.output.splitlines():
        came[line[0]].append(line)
    wanted = {one: [f"{one} {number:08d} {one * 88}" for number in range(lines)] for one in letters}
    missing = sum(lines - len(came[letter]) for letter in letters)
    assert came == wanted
    figure(
        18, "lines lost of two streams at once", missing, "lines", target="0", scale=f"4 × {lines * 100 // 10**6} MB"
    )
