"""The table of magics and the parser that every front door shares."""

from __future__ import annotations

import contextlib
import shlex
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.models import IoMode, OnFull, OnLeftovers
from vibesbox_kernel.shell.magic_args import (
    AdoptArgs,
    CellOptions,
    DurableArgs,
    FgArgs,
    InfoArgs,
    KillArgs,
    ParallelArgs,
    PsArgs,
    PurgeArgs,
    RenameArgs,
    SendArgs,
    StateAction,
    StateArgs,
    TailArgs,
    VibesboxArgs,
    WaitArgs,
)
from vibesbox_kernel.shell.magics import MAGICS, MagicCall, help_text, overview, parse_call, parse_magic
from vibesbox_kernel.shell.words import iterate_words


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("%ps", PsArgs()),
        ("%vibesbox purge", PurgeArgs(older_than=86400.0)),
        ("%vibesbox purge --older-than 2d -n", PurgeArgs(older_than=172800.0, dry_run=True)),
        ("%vibesbox purge --all", PurgeArgs(older_than=0.0)),
        ("  %ps -a --json  ", PsArgs(all=True, json=True)),
        ("%ps -a -w", PsArgs(all=True, widget=True)),
        ("%ps -f -a", PsArgs(all=True, follow=True)),
        ("%kill web 42", KillArgs(refs=("web", "42"))),
        ("%kill web web", KillArgs(refs=("web",))),
        ("%kill web -9", KillArgs(refs=("web",), force=True)),
        ("%kill -s HUP web", KillArgs(refs=("web",), signal=1)),
        ("%kill web -s sigterm", KillArgs(refs=("web",), signal=15)),
        ("%kill -s40 web", KillArgs(refs=("web",), signal=40)),
        ("%kill --all -9", KillArgs(all=True, force=True)),
        ("%tail web", TailArgs("web")),
        ("%tail -n 200 web -f", TailArgs("web", lines=200, follow=True)),
        ("%tail -w web", TailArgs("web", widget=True)),
        ("%tail web --save '/tmp/a b'", TailArgs("web", save="/tmp/a b")),
        ("%fg web", FgArgs("web")),
        ("%fg -w web", FgArgs("web", widget=True)),
        ("%wait web 12", WaitArgs(("web", "12"))),
        ("%wait web -t 1h30m", WaitArgs(("web",), timeout=5400.0)),
        ("%wait web -t 500ms", WaitArgs(("web",), timeout=0.5)),
        ("%wait web -t 0", WaitArgs(("web",), timeout=0.0)),
        ("%send web yes", SendArgs("web", "yes")),
        ("%send web a  b", SendArgs("web", "a b")),
        ("%send web 'a  b'", SendArgs("web", "a  b")),
        ("%send web ''", SendArgs("web", "")),
        ("%send web -- -x --eof", SendArgs("web", "-x --eof")),
        ("%send web -n q", SendArgs("web", "q", enter=False)),
        ("%send web --secret", SendArgs("web", secret=True)),
        ("%send web --eof", SendArgs("web", eof=True)),
        ("%send --eof web bye", SendArgs("web", "bye", eof=True)),
        ("%info web", InfoArgs("web")),
        ("%info web -w", InfoArgs("web", widget=True)),
        ("%vibesbox", VibesboxArgs()),
        ("%vibesbox version", VibesboxArgs("version")),
        ("%vibesbox doctor", VibesboxArgs("doctor")),
        ("%vibesbox state", StateArgs()),
        ("%vibesbox state reset", StateArgs(StateAction.RESET)),
        ("%vibesbox state back", StateArgs(StateAction.BACK, 1)),
        ("%vibesbox state back 3", StateArgs(StateAction.BACK, 3)),
        ("%%session", CellOptions()),
        ("%%session --bg --name=web --timeout 2m", CellOptions(background=True, name="web", timeout=120.0)),
        ("%%session --io pipe --cwd '~/a b'", CellOptions(io=IoMode.PIPE, cwd="~/a b")),
        ("%%session --env A=1 --env 'B=x y' --env C=", CellOptions(env={"A": "1", "B": "x y", "C": ""})),
        ("%%session --shell /bin/dash", CellOptions(shell="/bin/dash")),
        ("%%session --durable --nice 5", CellOptions(durable=True, nice=5)),
        ("%%session --mem 1.5GiB --cpu 1.5", CellOptions(max_memory_bytes=3 << 29, max_cpu_seconds=2)),
        ("%%session --mem 512M --output 1MB", CellOptions(max_memory_bytes=512 << 20, max_output_bytes=1_000_000)),
        ("%%session --idle-timeout 5m --group gpu", CellOptions(idle_timeout=300.0, group="gpu")),
        ("%%session --after a --after 7 --after a", CellOptions(after=("a", "7"))),
        (
            "%%session --leftovers kill --on-full block",
            CellOptions(on_leftovers=OnLeftovers.KILL, on_full=OnFull.BLOCK),
        ),
        ("%durable web 42", DurableArgs(("web", "42"))),
        ("%durable --off web web", DurableArgs(("web",), off=True)),
        ("%rename web site", RenameArgs("web", "site")),
        ("%adopt train", AdoptArgs(("train",))),
        ("%parallel 2 -g gpu", ParallelArgs(2, "gpu")),
        ("%parallel 0", ParallelArgs(None)),
        ("%parallel", ParallelArgs(None, show=True)),
        ("%parallel -g gpu", ParallelArgs(None, "gpu", show=True)),
        ("%session make -j2", CellOptions(command="make -j2")),
        ("%session --bg --name b make --bg", CellOptions(background=True, name="b", command="make --bg")),
        ("%session echo \"it's\"  'a  b", CellOptions(command="echo \"it's\"  'a  b")),
        ("%session -- -x", CellOptions(command="-x")),
        ("%session --env A='x y' echo $A", CellOptions(env={"A": "x y"}, command="echo $A")),
    ],
)
def test_a_magic_line_is_understood(line, args):
    assert parse_magic(line).args == args


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%pss", "no magic %pss; did you mean %ps?"),
        ("%sesion make", "did you mean %session?"),
        ("%%sesion", "did you mean %%session?"),
        ("%frobnicate", "known: %ps, %kill"),
        ("%", "known: %ps, %kill"),
        ("echo", "must begin with %"),
        ("%%ps", "%%ps takes no cell; did you mean %ps?"),
        ("%ps --jsn", "%ps has no option --jsn; did you mean --json?"),
        ("%ps -f -w", "not allowed with"),
        ("%vibesbox purge 2d", "'2d' is one argument too many; --older-than"),
        ("%vibesbox state --all", "--all belongs to %vibesbox purge"),
        ("%vibesbox -n", "--dry-run belongs to %vibesbox purge"),
        ("%vibesbox purge --older-than soon", "'soon' is not a duration"),
        ("%vibesbox purge --all --older-than 1d", "not allowed with"),
        ("%ps x", "'x' is one argument too many"),
        ("%kill", "name a session"),
        ("%kill --all web", "--all leaves no room"),
        ("%kill -9 -s HUP web", "not allowed with"),
        ("%kill -s HUPP web", "'HUPP' is not a signal"),
        ("%kill -s 0 web", "'0' is not a signal"),
        ("%kill -s 65 web", "'65' is not a signal"),
        ("%kill -TERM web", "did you mean -s TERM?"),
        ("%kill web -s", "expected one argument"),
        ("%tail", "required: REF"),
        ("%tail web -n 0", "'0' is not a number of lines"),
        ("%tail web -n -5", "-n"),
        ("%tail web -n ten", "'ten' is not a number of lines"),
        ("%tail web -f --save x", "-f and --save do not go together"),
        ("%tail web -w --save x", "-w and --save do not go together"),
        ("%tail web -f -w", "-f and -w do not go together; the log of -w follows by itself"),
        ("%tail web --sav x", "did you mean --save?"),
        ("%wait web -t soon", "'soon' is not a duration"),
        ("%wait web -t 1h30", "'1h30' is not a duration"),
        ("%wait web -t -1", "-t"),
        ("%send web x --secret", "leave TEXT out"),
        ("%send web", "give a TEXT to send, or --secret, or --eof"),
        ("%send web 'x", "a single quote is not closed"),
        ("%send web x\\", "ends in a backslash"),
        ("%session", "needs a command to run; did you mean %%session?"),
        ("%session --bg", "needs a command"),
        ("%session --bgg make", "did you mean --bg?"),
        ("%%session --timeout 0", "more than 0 s"),
        ("%%session --timeout forever", "'forever' is not a duration"),
        ("%%session --io ptty", "did you mean pty?"),
        ("%%session --env 1A=x", "is not NAME=VALUE"),
        ("%%session --name ''", "--name"),
        ("%%session --duarble", "did you mean --durable?"),
        ("%%session --memory 2G", "did you mean --mem?"),
        ("%%session --mem 2X", "'2X' is not a size"),
        ("%%session --mem 0", "at least 1 byte"),
        ("%%session --cpu 0", "more than 0 s"),
        ("%%session --nice 20", "'20' is not 0 to 19"),
        ("%%session --nice -5", "'-5' is not 0 to 19"),
        ("%%session --leftovers kil", "did you mean kill?"),
        ("%%session --on-full blok", "did you mean block?"),
        ("%%session --after ''", "--after"),
        ("%durable", "required: REF"),
        ("%rename web", "required: NAME"),
        ("%adopt", "required: REF"),
        ("%parallel gpu 2", "'gpu' is not how many"),
        ("%parallel -1", "'-1' is not how many sessions may run at a time"),
        ("%tail web -1", "has no option -1"),
        ("%%session make", "'make' is one argument too many"),
        ("%vibesbox xyzzy", "no sub-command 'xyzzy'; there is: version, doctor, config, state"),
        ("%vibesbox docter", "did you mean doctor?"),
        ("%vibesbox state rest", "no such word as 'rest'; did you mean %vibesbox state reset?"),
        ("%vibesbox state x", "no such word as 'x'; there is: reset, back"),
        ("%vibesbox state back 0", "'0' is not a number of cells"),
        ("%vibesbox state back -1", "'-1' is not a number of cells"),
        ("%vibesbox state back 1 2", "'2' is one argument too many"),
        ("%vibesbox state reset 1", "'1' is one argument too many"),
        ("%vibesbox doctor state", "'state' is one argument too many"),
        ("%vibesbox versoin", "did you mean version?"),
    ],
)
def test_a_wrong_line_says_what_is_wrong_and_what_would_be_right(line, said):
    with pytest.raises(MagicError) as caught:
        parse_magic(line)
    assert said in str(caught.value)


@pytest.mark.parametrize("line", ["%tail?", "%tail ?", "%tail -h", "%tail --help", "%tail web -n 5 -h"])
def test_help_can_be_asked_for(line):
    assert parse_magic(line) == MagicCall("tail", None)
    assert parse_magic(line).wants_help


def test_a_session_command_may_hold_a_question_mark_and_an_h():
    assert parse_magic("%session ls -h a?").args == CellOptions(command="ls -h a?")


@pytest.mark.parametrize("name", MAGICS)
def test_help_names_every_option(name):
    text = help_text(name)
    assert f"usage: {'%%' if MAGICS[name].cell else '%'}{name}" in text
    for option in MAGICS[name].parser.option_names():
        assert option in text
    assert name in overview()


def test_ipython_hands_over_name_and_rest():
    assert parse_call("kill", "web -9").args == KillArgs(refs=("web",), force=True)
    assert parse_call("session", "--bg", cell=True).args == CellOptions(background=True)


def test_only_the_limits_that_were_given_are_handed_on():
    assert CellOptions(durable=True, name="n").limits == {}
    assert CellOptions(nice=0, timeout=2.0, after=("a",)).limits == {"nice": 0, "timeout": 2.0, "after": ("a",)}


def test_what_was_parsed_can_not_be_changed():
    options = parse_magic("%%session --env A=1").args
    assert isinstance(options, CellOptions)
    with pytest.raises(TypeError):
        options.env["A"] = "2"  # type: ignore[index]
    with pytest.raises(AttributeError):
        options.name = "x"  # type: ignore[misc]


LINES = st.lists(
    st.sampled_from([f"%{name}" for name in MAGICS] + [f"%%{name}" for name in MAGICS])
    | st.sampled_from(sorted({option for magic in MAGICS.values() for option in magic.parser.option_names()}))
    | st.sampled_from(
        ["web", "42", "-1", "--", "-", "?", "'", '"', "\\", "=", "A=1", "2m", "pty", "--name=", "-n5", "-9s"]
    )
    | st.text(max_size=8),
    max_size=6,
).map(" ".join)


@given(LINES)
def test_a_line_is_understood_or_refused_and_nothing_else(line):
    for text in (line, f"%{line}"):
        with contextlib.suppress(MagicError):
            assert parse_magic(text).name in MAGICS


@given(st.text(alphabet="ab '\"\\\t\n-=", max_size=20))
def test_words_are_split_as_shlex_does(line):
    try:
        expected = shlex.split(line)
    except ValueError:
        with pytest.raises(ValueError):
            list(iterate_words(line))
        return
    words = list(iterate_words(line))
    assert [word.text for word in words] == expected
    assert not "".join(line[before.end : after.start] for before, after in pairwise(words)).strip()
