"""What a shell has written down, taken apart; and the small rules around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.errors import ShellStateError
from vibesbox_kernel.shell.cell import parse_cell
from vibesbox_kernel.shell.cell_names import file_name
from vibesbox_kernel.shell.dump import Dump, Way, parse_dump
from vibesbox_kernel.shell.environment import first_environment, unspeakable
from vibesbox_kernel.shell.other_shells import OtherStates
from vibesbox_kernel.shell.quoting import quote, unquote
from vibesbox_kernel.shell.restore import begin_text, restore_text
from vibesbox_kernel.shell.script import existing_directory, make_script
from vibesbox_kernel.shell.state import ShellState

EMPTY = ShellState(directory=b"/")
SECTIONS = {
    "traps": b"trap -- 'a\nb'\\''c' SIGUSR1\ntrap -- 'bye' EXIT\n",
    "disabled": b"",
    "shopt": b"extglob:sourcepath\n",
    "options": b"braceexpand:errexit\n",
    "umask": b"umask 0022\n",
    "directory": b"/tmp/a\nb\n",
    "stack": b"/usr\n$'/c\\nd'\n",
    "complete": b"",
    "commands": b"declare -A BASH_CMDS=()\n",
    "soft-limits": b"core file size              (blocks, -c) 0\nRT                (microseconds, -R) 7\n",
    "hard-limits": b"core file size              (blocks, -c) unlimited\n",
    "aliases": b"alias a='b'\n",
    "functions": b"f () \n{ \n    :\n}\n",
    "function-names": b"declare -f f\ndeclare -fx g h\n",
    "variables": b'declare -- x="1"\ndeclare -ir UID="0"\ndeclare -- __vb_x="1"\ndeclare -x VIBESBOX_SESSION="s"\n'
    b'declare -- LINES="24"\ndeclare -x COLUMNS="80"\ndeclare -x OLDPWD="/usr"\n',
}


def state_of(**changes: bytes) -> ShellState:
    sections = SECTIONS | {name.replace("_", "-"): text for name, text in changes.items()}
    return ShellState.from_dump(Dump(sections, 0, Way.END), EMPTY)


def test_a_dump_that_is_cut_off_is_no_state() -> None:
    with pytest.raises(ShellStateError, match="cut off after 12 bytes"):
        parse_dump(b"\nM variables", "M")


def test_a_dump_without_a_section_is_no_state() -> None:
    with pytest.raises(ShellStateError, match="variables"):
        ShellState.from_dump(Dump({n: t for n, t in SECTIONS.items() if n != "variables"}, 0, Way.END), EMPTY)


def test_text_that_looks_like_a_heading_is_text_unless_it_has_the_mark() -> None:
    dump = parse_dump(b"\nM a\nx\nN b\n\nM end\n3 exit\n", "M")
    assert (dump.sections["a"], dump.code, dump.way) == (b"x\nN b\n", 3, Way.EXIT)


def test_only_what_is_the_users_is_carried() -> None:
    state = state_of()
    assert state.variable_names == ("x", "COLUMNS")
    assert state.function_names == ("f", "g h")
    assert state.traps == {b"USR1": b"'a\nb'\\''c'"}
    assert state.cwd == "/tmp/a\nb"
    assert state.stack == (b"/usr", b"$'/c\\nd'")
    assert (state.limits.soft, state.limits.hard) == ({b"c": b"0"}, {b"c": b"unlimited"})


def test_newlines_in_values_as_older_bash_prints_them_are_kept() -> None:
    """Bash before 5.2 does not write them as ``$'…'``."""
    state = state_of(variables=b'declare -- a="1\n2\n"\ndeclare -- b="3"\n')
    assert state.variables == {b"a": b'declare -- a="1\n2\n"', b"b": b'declare -- b="3"'}


def test_parameters_that_were_out_of_sight_stay_as_they_were() -> None:
    before = ShellState(directory=b"/", parameters=(b"a",))
    assert ShellState.from_dump(Dump(SECTIONS, 0, Way.EXIT), before).parameters == (b"a",)


def test_options_that_would_disturb_the_driver_come_last() -> None:
    state = state_of(options=b"errexit:xtrace:noclobber\n")
    assert b"errexit" not in restore_text(state)
    assert b"noclobber" in restore_text(state)
    assert begin_text(state, status=3, directory=b"/").endswith(b"\\builtin set -o xtrace\n\\builtin return 3\n")


def test_the_first_state_is_without_what_belongs_to_a_prompt() -> None:
    state = state_of(
        options=b"vi:histexpand:monitor:pipefail\n",
        traps=b"trap -- 'hook' DEBUG\ntrap -- 'x' ERR\n",
        shopt=b"extglob\n",
    ).for_cells()
    assert state.options == {b"pipefail"}
    assert list(state.traps) == [b"ERR"]
    assert state.shopts == {b"extglob", b"expand_aliases"}


def test_exports_of_one_cell_are_taken_back_unless_the_cell_has_changed_them() -> None:
    base = state_of(variables=b'declare -- a="old"\n')
    after = state_of(variables=b'declare -x a="given"\ndeclare -x b="given"\ndeclare -x c="changed"\n')
    kept = after.without_exports(base, {"a": "given", "b": "given", "c": "given"})
    assert kept.variables == {b"a": b'declare -- a="old"', b"c": b'declare -x c="changed"'}


@given(st.binary(max_size=20).map(lambda word: word.replace(b"\0", b"")))
def test_a_quoted_word_is_one_word(word: bytes) -> None:
    assert quote(word).replace(b"'\\''", b"").count(b"'") == 2


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (b'"a\\"b\\$\\`\\\\"', b'a"b$`\\'),
        (b"$'a\\n\\001\\377\\'\\\\\\E'", b"a\n\x01\xff'\\\x1b"),
        (b"5", b"5"),
        (b'""', b""),
    ],
)
def test_what_bash_has_quoted_is_read_back(word: bytes, value: bytes) -> None:
    assert unquote(word) == value


def test_the_environment_has_no_pager_and_a_locale_that_knows_every_letter() -> None:
    ours = {"PAGER": "less", "LC_ALL": "C", "LINES": "5", "VIBESBOX_SESSION": "s", "TERM": "dumb", "X": "1"}
    environment = first_environment(ours)
    assert environment["PAGER"] == environment["GIT_PAGER"] == "cat"
    assert (environment["TERM"], environment["LANG"], environment["X"]) == ("xterm-256color", "C.UTF-8", "1")
    assert not {"LC_ALL", "LINES", "VIBESBOX_SESSION"} & environment.keys()
    assert first_environment({"LANG": "de_DE.UTF-8"})["LANG"] == "de_DE.UTF-8"


def test_names_that_bash_can_not_handle_go_around_it() -> None:
    assert unspeakable({"a-b": "1", "a": "2", "BASH_FUNC_f%%": "() { :; }"}) == {"a-b": "1"}


@pytest.mark.parametrize(
    ("label", "name"), [("In[1]", "In[1]"), ("a/b", "a\N{DIVISION SLASH}b"), ("state", "cell state"), ("..", "cell ..")]
)
def test_a_label_is_a_files_name(label: str, name: str) -> None:
    assert file_name(label) == name


def test_the_nearest_directory_that_exists_stands_in_for_one_that_is_gone(isolation: Path) -> None:
    (isolation / "file").write_text("")
    assert existing_directory(str(isolation)) == str(isolation)
    assert existing_directory(str(isolation / "gone" / "deeper")) == str(isolation)
    assert existing_directory(str(isolation / "file" / "deeper")) == str(isolation)
    assert existing_directory("/gone/deeper") == existing_directory("/") == "/"


def test_a_cells_own_directory_may_be_relative_to_the_shells() -> None:
    script = make_script(
        parse_cell("%%session --cwd bin\necho"), ShellState(directory=b"/usr"), 0, others=OtherStates()
    )
    assert (script.directory, script.for_one_cell) == ("/usr/bin", True)
