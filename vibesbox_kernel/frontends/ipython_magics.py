"""The magics in IPython: the kernel's own table, grammar and help, and values for Python code."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from vibesbox_kernel.errors import MagicError, VibesboxError
from vibesbox_kernel.frontends.ipython_asking import ask_secret
from vibesbox_kernel.frontends.ipython_errors import plain_errors
from vibesbox_kernel.frontends.ipython_expansion import Expansion
from vibesbox_kernel.frontends.ipython_foreground import Foreground
from vibesbox_kernel.frontends.ipython_live import watch_sessions
from vibesbox_kernel.frontends.ipython_output import Display, Relay
from vibesbox_kernel.frontends.ipython_statements import MarkUses, Use
from vibesbox_kernel.frontends.session_handle import Session, SessionList
from vibesbox_kernel.frontends.session_view import SessionViews
from vibesbox_kernel.frontends.terminal_screen import ring, write
from vibesbox_kernel.models import SessionInfo
from vibesbox_kernel.shell import verbs
from vibesbox_kernel.shell.cell import Cell
from vibesbox_kernel.shell.cell_head import read_head, split_body
from vibesbox_kernel.shell.input_verbs import given_secret, secret_prompt
from vibesbox_kernel.shell.magic_args import (
    AdoptArgs,
    BgArgs,
    CellOptions,
    DurableArgs,
    FgArgs,
    InfoArgs,
    MagicArgs,
    PsArgs,
    RenameArgs,
    RerunArgs,
    SendArgs,
    TailArgs,
    WaitArgs,
)
from vibesbox_kernel.shell.magic_completion import known_refs
from vibesbox_kernel.shell.magic_parser import HELP_OPTIONS
from vibesbox_kernel.shell.magics import MAGICS, MagicCall, help_text, parse_call
from vibesbox_kernel.shell.output_verbs import follow_output, tail_start
from vibesbox_kernel.shell.passing_line import Looker
from vibesbox_kernel.shell.privacy import is_private
from vibesbox_kernel.shell.references import find
from vibesbox_kernel.shell.rerunning import cell_again
from vibesbox_kernel.shell.secret_env import questions, with_secrets
from vibesbox_kernel.shell.stream import OutputPump

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.runner import CellRunner
    from vibesbox_kernel.shell.verb_result import VerbResult
    from vibesbox_kernel.widgets.static_view import Publish
    from vibesbox_kernel.widgets.views import Views

_NO_LOG = "[vibesbox: there are no widgets here, so these are the last lines; %tail -f follows]\n"
_NO_TERMINAL = (
    "[vibesbox: there are no widgets here, so this is %fg without -w: output, input and Ctrl-C, line by line]\n"
)

T = TypeVar("T")


class Magics:
    """The magics of one shell.

    A line magic that stands alone shows its result; one whose value is used (``sessions = %ps``) gives it instead.

    Args:
        shell: The shell.
        manager: Whose sessions are meant.
        runner: Runs the scripts, with the shell state that carries on.
    """

    def __init__(self, shell: InteractiveShell, manager: SessionManager, runner: CellRunner) -> None:
        self._shell = shell
        self._manager = manager
        self._runner = runner
        self._display = Display(shell, offer=self._offer_terminal)
        self._session_views = SessionViews(manager)
        self._foreground = Foreground(manager, runner, self._display, self._session, self._show_notice)
        if self._display.is_terminal:
            runner.endings_told.listen(ring)
        self._mark_uses = MarkUses(MAGICS)
        self._replaced: list[tuple[str, str, Any]] = []

    def register(self) -> None:
        """Add the magics to the shell."""
        for name, magic in MAGICS.items():
            self._add("line", name, self._ours_or_theirs(name, self._line_magic(name)))
            if magic.cell:
                self._add("cell", name, self._cell_magic(name))
        self._shell.ast_transformers.append(self._mark_uses)

    def remove(self) -> None:
        """Take the magics out of the shell; what had their names before has them again."""
        with contextlib.suppress(ValueError):
            self._shell.ast_transformers.remove(self._mark_uses)
        for kind, name, before in self._replaced:
            known = self._shell.magics_manager.magics[kind]
            known.pop(name, None)
            if before is not None:
                known[name] = before
        self._foreground.close()
        self._session_views.close()
        if "_views" in self.__dict__:
            self._views.close()

    def _add(self, kind: Literal["line", "cell"], name: str, function: Callable[..., object]) -> None:
        function.__name__ = function.__qualname__ = name
        function.__doc__ = help_text(name)
        self._replaced.append((kind, name, self._shell.magics_manager.magics[kind].get(name)))
        self._shell.magics_manager.register_function(function, kind, name)

    def _line_magic(self, name: str) -> Callable[..., object]:
        @no_var_expand  # a $ in a command is the shell's
        def line_magic(line: str, *, use: str = Use.UNKNOWN.value, local_ns: Mapping[str, Any] | None = None) -> object:
            with plain_errors(name):
                call = parse_call(name, line, expand=self._expansion(local_ns))
                return self._perform(_expanded(call), Use(use))

        line_magic.needs_local_scope = True  # type: ignore[attr-defined]  # for --expand
        return line_magic

    def _expansion(self, local_ns: Mapping[str, Any] | None = None) -> Expansion:
        return Expansion({**self._shell.user_global_ns, **self._shell.user_ns, **(local_ns or {})})

    def _ours_or_theirs(self, name: str, ours: Callable[..., object]) -> Callable[..., object]:
        """Where IPython has a magic of this name (``%rerun``): ours if a session is named, else theirs."""
        theirs = self._shell.find_line_magic(name)  # type: ignore[no-untyped-call]
        if theirs is None or not str(theirs.__module__).startswith("IPython."):
            return ours

        @no_var_expand
        def line_magic(line: str, **options: str) -> object:
            words = set(line.split())
            is_ours = words & {*HELP_OPTIONS, "?"} or not words.isdisjoint(known_refs(self._manager))
            return ours(line, **options) if is_ours else theirs(line)

        return line_magic

    def _cell_magic(self, name: str) -> Callable[..., object]:
        @no_var_expand
        def cell_magic(line: str, cell: str) -> None:
            with plain_errors(name):
                expand = self._expansion()
                call = parse_call(name, line, cell=True, expand=expand)
                if not isinstance(call.args, CellOptions):
                    self._perform(replace(call, body=split_body(cell, 2)), Use.SHOWN)
                elif cell.strip():
                    script = expand(cell) if call.args.expand else cell
                    options = replace(call.args, expand=False)
                    self._run(Cell(options=options, script=script, script_line=2, private=is_private(cell)), Use.SHOWN)
                else:
                    raise MagicError(f"%%{name}: there is no script below it", magic=f"%%{name}")

        return cell_magic

    def _perform(self, call: MagicCall, use: Use) -> object:
        if isinstance(call.args, CellOptions):
            return self._run(Cell(options=call.args, script=call.args.command or ""), use)
        if call.args is not None:
            self._foreground.prepare()
        if self._show_view(call.args) or self._follows(call.args):
            return None
        match call.args:
            case FgArgs() as args:
                session = self._foreground.follow(args.ref, lines=args.lines)
                return session if use.gives else None
            case BgArgs() as args:
                self._foreground.let_go(args.ref)
                return None
            case RerunArgs() as args:
                return self._run(self._call(cell_again(self._manager, args, self._runner.remembered)), use)
            case SendArgs(secret=True) as args:
                call = replace(call, args=self._with_secret(args))
        result = self._carry_out(call)
        if result.next_input is not None:
            self._replace_cell(result.next_input)
        value = self._value(call, result)
        if use.shows or value is None:
            self._display.show(result)
        if result.failure is not None:
            raise UsageError(f"%{call.name}: {result.failure}")
        return value if use.gives else None

    def _follows(self, args: MagicArgs | None) -> bool:
        """Follow what was asked to be followed, until it ends or the user has seen enough; says whether that was so."""
        match args:
            case PsArgs(follow=True):
                watch_sessions(self._manager, args, self._display)
            case TailArgs(follow=True):
                self._follow(args)
            case _:
                return False
        return True

    def _run(self, cell: Cell, use: Use) -> Session | None:
        cell = with_secrets(cell, {name: ask_secret(prompt) for name, prompt in questions(cell)})
        session = self._foreground.run(cell, title=f"In[{self._shell.execution_count}]", announce=use.shows)
        if use.gives:
            return session
        # It has been shown already; still it is the value of its cell, for `_` and for Out.
        self._shell.displayhook.update_user_ns(session)  # type: ignore[no-untyped-call]
        return None

    def _session(self, session_id: str) -> Session:
        return Session(self._manager, session_id, show=self._show_session)

    def _show_session(self, info: SessionInfo) -> bool:
        """Show a session live in the cell that runs now; a terminal has no such place."""
        output = self._display.cell_output()
        if output is None:
            return False
        try:
            self._session_views.show(info, output)
        except VibesboxError:  # it is not remembered, or the extension is unloaded
            return False
        return True

    def _with_secret(self, args: SendArgs) -> SendArgs:
        prompt = self._call(secret_prompt(self._manager, args))
        return given_secret(args, ask_secret(prompt))

    def _replace_cell(self, text: str) -> None:
        """Put a script in the place of the cell; it stays one of ours."""
        script = text if read_head(text).over_cell else f"%%session\n{text}"
        self._shell.set_next_input(script, replace=True)

    def _value(self, call: MagicCall, result: VerbResult) -> object:
        """What Python code gets that uses the magic's value; None where there is nothing to get."""
        match call.args:
            case PsArgs() | WaitArgs() | DurableArgs() | AdoptArgs() if isinstance(result.data, list):
                return SessionList(SessionInfo.model_validate(one) for one in result.data)
            case InfoArgs() | RenameArgs() if isinstance(result.data, dict):
                return self._session(str(result.data["session_id"]))
            case TailArgs(save=None):
                return result.data
        return None

    @cached_property
    def _views(self) -> Views:
        from vibesbox_kernel.widgets.views import Views  # ipywidgets: only when a view is wanted

        return Views(self._manager, lambda: self._display.width, runner=self._runner)

    def _offer_terminal(self, publish: Publish, session_id: str) -> None:
        self._views.offer_terminal(publish, session_id)

    def _show_notice(self, session_id: str) -> None:
        """Have the page tell of a session's end, if somebody looks at it."""
        output = self._display.cell_output()
        if output is not None and self._display.takes_input:
            self._views.show_notice(output.display, session_id)

    def _show_view(self, args: MagicArgs | None) -> bool:
        """Show a live view, if one is wanted and there is a page to show it in."""
        output = self._display.cell_output()
        match args:
            case PsArgs(widget=True) if output is not None:
                self._views.show_table(output.display, everything=args.all, sink=output)
            case InfoArgs(widget=True) as args if output is not None:
                info = self._call(find(self._manager, args.ref))
                self._views.show_info(output.display, info.session_id, sink=output)
            case TailArgs(widget=True) as args if output is not None:
                info = self._call(find(self._manager, args.ref))
                self._call(self._views.show_log(output.display, info.session_id, lines=args.lines))
            case FgArgs(widget=True) as args if output is not None:
                info = self._call(find(self._manager, args.ref))
                self._call(self._views.show_terminal(output.display, info.session_id))
            case FgArgs(widget=True):
                write(_NO_TERMINAL)
                return False
            case TailArgs(widget=True):
                write(_NO_LOG)
                return False
            case _:
                return False
        return True

    def _carry_out(self, call: MagicCall) -> VerbResult:
        looks_on = isinstance(call.args, WaitArgs) and self._display.takes_input
        relay = Relay()
        work = verbs.carry_out(
            self._manager,
            call,
            width=self._display.width,
            colour=self._display.has_colours,
            runner=self._runner,
            looker=Looker(relay, self._runner.settings.now.quiet_after) if looks_on else None,
        )
        return self._show(relay, work) if looks_on else self._call(work)

    def _follow(self, args: TailArgs) -> None:
        info = self._call(find(self._manager, args.ref))
        relay = Relay()
        follow = self._follow_unpaced if self._display.is_terminal else self._follow_paced
        self._show(relay, follow(info.session_id, args.lines, relay))

    def _show(self, relay: Relay, work: Coroutine[Any, Any, T]) -> T:
        """Show here what something on the engine has to show, until it is done."""
        screen = self._display.new_screen()
        future = asyncio.run_coroutine_threadsafe(work, self._manager.engine.loop)
        try:
            relay.show_until_done(future, screen)
        finally:
            future.cancel()
            relay.detach(None)
            screen.close()
        return future.result()

    async def _follow_unpaced(self, session_id: str, lines: int, relay: Relay) -> None:
        async for text in follow_output(self._manager, session_id, lines=lines, terminal=True):
            relay.text(text)

    async def _follow_paced(self, session_id: str, lines: int, relay: Relay) -> None:
        start = await tail_start(self._manager, session_id, lines=lines)
        await OutputPump(self._manager, session_id, relay, start=start).run()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return self._manager.engine.call(work)


def _expanded(call: MagicCall) -> MagicCall:
    """A call whose words and command have the values in them that were to be there."""
    return replace(call, args=replace(call.args, expand=False)) if isinstance(call.args, CellOptions) else call
