"""The options that a session can be started with: one list of them for every door."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypedDict, TypeVar

from vibesbox_kernel.broker.wire import pack_bytes
from vibesbox_kernel.errors import InvalidOptionError
from vibesbox_kernel.models import IoMode, OnFull, OnLeftovers, SessionPolicy
from vibesbox_kernel.sessions import validation
from vibesbox_kernel.sessions.mirror import NO_POLICY, Ref

MAX_NICE = 19
MAX_WHOLE = 1 << 50
_Choice = TypeVar("_Choice", bound=StrEnum)


class PolicyOptions(TypedDict, total=False):
    """The limits of a session, as keyword arguments; ``SessionPolicy`` says what each means.

    ``after`` takes references of any kind; one that was given more than once counts once.
    """

    timeout: float | None
    idle_timeout: float | None
    nice: int
    max_cpu_seconds: int | None
    max_memory_bytes: int | None
    max_output_bytes: int | None
    on_full: OnFull | str
    on_leftovers: OnLeftovers | str
    max_restarts: int
    group: str | None
    after: Sequence[Ref]


class SessionOptions(PolicyOptions, total=False):
    """What ``start_session`` and its like take by keyword, besides the command and the shell.

    Attributes:
        name: By which the session can be referred to; unique among the running.
        cwd: Its working directory; the default is ours, now.
        env: Variables to set, or to remove (None), in a copy of our environment.
        io: ``pipe`` (the default), ``pty`` for a terminal of its own; ``split-pipe`` and ``split`` for a second
            one of these for stderr.
        stdin: Whether it can be sent input (the default); without, a pipe session reads end of file at once.
        rows: Height of its terminal (24).
        columns: Width of its terminal (100).
        durable: It outlives this program, and can be found and adopted by another.
    """

    name: str | None
    cwd: str | os.PathLike[str] | None
    env: Mapping[str, str | None] | None
    io: IoMode | str
    stdin: bool
    rows: int
    columns: int
    durable: bool


@dataclass(frozen=True)
class CheckedOptions:
    """Options that were found to be right.

    Attributes:
        env: The whole environment.
        cwd: An absolute path.
    """

    name: str | None
    cwd: str
    env: dict[str, str]
    io: IoMode
    stdin: bool
    rows: int
    columns: int
    durable: bool
    policy: SessionPolicy


def check_options(options: SessionOptions, *, resolve: Callable[[Ref], str | None]) -> CheckedOptions:
    """Check options before anything is started.

    Args:
        resolve: Gives the id of the session that a reference means; None if it need not be waited for.

    Raises:
        TypeError: There is no such option.
        InvalidOptionError: One is out of its range.
        DirectoryNotFoundError: The directory can not be entered.
        SessionNotFoundError: ``after`` names a session that there is not.
    """
    check_known(options, SessionOptions)
    name = options.get("name")
    rows, columns = options.get("rows", 24), options.get("columns", 100)
    validation.check_name(name)
    validation.check_size(rows, columns)
    io = validation.check_io(options.get("io", IoMode.PIPE))
    env = validation.merge_environment(options.get("env"))
    if io.is_terminal:
        env.setdefault("TERM", "xterm-256color")
    return CheckedOptions(
        name=name,
        cwd=validation.find_directory(options.get("cwd")),
        env=env,
        io=io,
        stdin=bool(options.get("stdin", True)),
        rows=rows,
        columns=columns,
        durable=bool(options.get("durable", False)),
        policy=make_policy(options, resolve=resolve),
    )


def make_policy(options: PolicyOptions, *, resolve: Callable[[Ref], str | None]) -> SessionPolicy:
    """The limits among options; raises as ``check_options`` does."""
    if not options:
        return NO_POLICY
    for seconds in ("timeout", "idle_timeout"):
        validation.check_seconds(seconds, options.get(seconds))
    nice = options.get("nice", 0)
    if nice not in range(MAX_NICE + 1):
        raise InvalidOptionError("nice", nice, f"0 to {MAX_NICE}: only lower priorities can be had without privileges")
    group: object = options.get("group")
    if group is not None and not (isinstance(group, str) and group.strip()):
        raise InvalidOptionError("group", group, "a name that is not blank")
    return SessionPolicy(
        timeout=options.get("timeout"),
        idle_timeout=options.get("idle_timeout"),
        nice=nice,
        max_cpu_seconds=_positive("max_cpu_seconds", options.get("max_cpu_seconds")),
        max_memory_bytes=_positive("max_memory_bytes", options.get("max_memory_bytes")),
        max_output_bytes=_positive("max_output_bytes", options.get("max_output_bytes")),
        on_full=_choice("on_full", OnFull, options.get("on_full", OnFull.DROP_OLDEST)),
        on_leftovers=_choice("on_leftovers", OnLeftovers, options.get("on_leftovers", OnLeftovers.KEEP)),
        max_restarts=_positive("max_restarts", options.get("max_restarts", 0), low=0) or 0,
        group=group,
        after=tuple(dict.fromkeys(one for one in map(resolve, _refs(options.get("after", ()))) if one is not None)),
    )


def check_known(options: Mapping[str, Any], known: type) -> None:
    """Refuse an option that there is not, as a function's signature would.

    Raises:
        TypeError: Names it, and what may have been meant.
    """
    names = [name for base in known.__mro__ for name in getattr(base, "__annotations__", {})]
    for name in options:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            raise TypeError(f"there is no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


def check_limit(limit: object) -> None:
    """How many sessions may run at a time: at least one, or any number (None).

    Raises:
        InvalidOptionError: It is no whole number above 0.
    """
    _positive("limit", limit)


def wire_policy(policy: SessionPolicy) -> dict[str, Any]:
    """What a request says of a policy: only what is not at its default."""
    return {} if policy is NO_POLICY else policy.model_dump(mode="json", exclude_defaults=True)


def pack_command(command: str) -> str:
    """What a request says of a command."""
    return pack_bytes(command.encode("utf-8", "surrogateescape"))


def _refs(after: Sequence[Ref] | Ref) -> Sequence[Ref]:
    return (after,) if isinstance(after, str | int) else after


def _positive(option: str, value: object, *, low: int = 1) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MAX_WHOLE:
        raise InvalidOptionError(option, value, f"a whole number, {low} to {MAX_WHOLE}")
    return value


def _choice(option: str, kind: type[_Choice], value: str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        raise InvalidOptionError(option, value, " or ".join(repr(str(one)) for one in kind)) from None
