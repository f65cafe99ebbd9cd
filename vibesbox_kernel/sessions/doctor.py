"""What is guaranteed on this machine, and what is weaker: found out by probes that run when one asks.

The probes run in a process of their own, isolated and with the limits that a broker would have.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from vibesbox_kernel.broker import wire
from vibesbox_kernel.errors import BrokerError, VibesboxError
from vibesbox_kernel.sessions.catalogue import is_alive
from vibesbox_kernel.sessions.places import Places, make_places, state_root

if TYPE_CHECKING:
    from vibesbox_kernel.sessions.manager import SessionManager

PROBE_SECONDS = 20.0
HEALTH_SECONDS = 5.0
_COMMAND = (sys.executable, "-I", "-S", "-X", "utf8", str(Path(wire.__file__).with_name("bootstrap.py")), "--probe")
_END_SECONDS = 2.0
_LAST_WORDS = 300


class Standing(StrEnum):
    """How it stands with a promise: it holds, it holds in part, or it can not be kept."""

    YES = "yes"
    WEAKER = "weaker"
    NO = "no"


class Finding(BaseModel):
    """How it stands with one promise on this machine.

    Attributes:
        id: A word for programs; stays the same between versions.
        promise: What is promised, in words for people.
        found: What was seen.
        means: What follows for the user; empty when the promise holds.
        advice: What the user can do about it; empty when that is nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    promise: str
    ok: Standing
    found: str
    means: str = ""
    advice: str = ""


class Diagnosis(BaseModel):
    """Everything that was found out, in the order in which it was looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...]

    def of(self, standing: Standing) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.ok is standing)

    @property
    def broken(self) -> bool:
        """Whether any promise can not be kept at all."""
        return bool(self.of(Standing.NO))


async def diagnose(manager: SessionManager | None = None, *, timeout: float = PROBE_SECONDS) -> Diagnosis:
    """Run every probe; takes about a quarter of a second.

    Args:
        manager: Whose broker is asked how it is as well; none is started for that.
        timeout: Seconds that the probes may take; what they would have found out is then said to be unknown.
    """
    with _places() as places:
        findings = [] if isinstance(places, Places) else [places]
        findings += await _probe(places if isinstance(places, Places) else None, timeout)
    findings += _leftovers(state_root())
    if manager is not None:
        findings += await _health(manager)
    return Diagnosis(findings=tuple(findings))


@contextmanager
def _places() -> Iterator[Places | Finding]:
    """Directories as an instance would get them, for the probes alone; or why there can be none."""
    try:
        places = make_places(f"doctor-{os.getpid()}-{secrets.token_hex(4)}")
    except (BrokerError, OSError) as error:
        yield Finding(
            id="places",
            promise="Sessions have a place for their files",
            ok=Standing.NO,
            found=str(error),
            means="No session can be started.",
            advice="Set XDG_RUNTIME_DIR and XDG_STATE_HOME to directories of yours before Jupyter starts.",
        )
        return
    try:
        yield places
    finally:
        for directory in (places.runtime, places.state):
            with contextlib.suppress(OSError):
                directory.rmdir()


async def _probe(places: Places | None, timeout: float) -> list[Finding]:
    arguments = ("", "") if places is None else (str(places.runtime), str(places.state))
    try:
        async with asyncio.timeout(timeout), _started(arguments) as process:
            output, problems = await process.communicate()
    except TimeoutError:
        return [_not_run(f"they did not end within {timeout:g} s; a network disk that does not answer can cause that")]
    except OSError as error:
        return [_not_run(f"{sys.executable} can not be started: {error.strerror}")]
    try:
        return TypeAdapter(list[Finding]).validate_json(output)
    except ValidationError:
        last_words = problems.decode("utf-8", "replace").strip()[-_LAST_WORDS:]
        return [_not_run(f"they ended with status {process.returncode} {last_words}".rstrip())]


@asynccontextmanager
async def _started(arguments: tuple[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        *arguments,
        env={"PATH": os.environ.get("PATH", os.defpath)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # an interrupt of ours must not reach it
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):  # for ever, if it hangs inside the system
                    await process.wait()


def _not_run(found: str) -> Finding:
    return Finding(
        id="probes",
        promise="This machine can be examined",
        ok=Standing.NO,
        found=f"the probes failed: {found}",
        means="Nobody knows what holds here.",
    )


def _leftovers(root: Path) -> list[Finding]:
    """Runs of which kernel, broker and guardian were killed together: nobody was left to clean up."""
    promise = "Nothing is left of programs that died"
    dead = [one for one in root.glob(f"*/{wire.RUN_NAME}") if not is_alive(one.parent)]
    if not dead:
        return [Finding(id="leftovers", promise=promise, ok=Standing.YES, found="no run was cut off")]
    return [
        Finding(
            id="leftovers",
            promise=promise,
            ok=Standing.WEAKER,
            found=f"{len(dead)} earlier {'run was' if len(dead) == 1 else 'runs were'} cut off",
            means="All that looked after those sessions was killed at once; some of their processes may still run.",
            advice="Restart the kernel, or start a session in any new program: its broker sweeps them up.",
        )
    ]


async def _health(manager: SessionManager) -> list[Finding]:
    """What the manager's own broker says."""
    promise = "The broker of this program answers"
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            answer = await manager.hub.engine.run(manager.hub.request_if_open("health"))
    except (VibesboxError, TimeoutError) as error:
        return [
            Finding(
                id="broker",
                promise=promise,
                ok=Standing.WEAKER,
                found=f"it did not say how it is: {str(error) or f'no answer in {HEALTH_SECONDS:g} s'}",
                means="Sessions may not start or end.",
                advice="%ps says what still runs; a restart of the kernel starts a new broker.",
            )
        ]
    if answer is None:
        return [Finding(id="broker", promise=promise, ok=Standing.YES, found="it starts with the first session")]
    return [Finding(id="broker", promise=promise, ok=Standing.YES, found=_serves(answer)), _guardian(answer)]


def _serves(answer: dict[str, Any]) -> str:
    clients = int(answer.get("clients", 0))
    return f"it serves {clients} {'program' if clients == 1 else 'programs'}"


def _guardian(answer: dict[str, Any]) -> Finding:
    promise = "If the broker dies, its guardian cleans up"
    if answer.get("guardian"):
        return Finding(id="guardian", promise=promise, ok=Standing.YES, found="the guardian is alive")
    return Finding(
        id="guardian",
        promise=promise,
        ok=Standing.WEAKER,
        found="the guardian is gone",
        means="Sessions run as before, but if the broker is killed as well, nobody ends their processes.",
        advice="Restart the kernel when your sessions allow it.",
    )
