"""What a cell's text means."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.cell import Cell, parse_cell
from vibesbox_kernel.shell.magic_args import CellOptions, PsArgs, TailArgs


def test_a_cell_without_magics_is_all_script():
    text = '\n# build\n\tmake "a!b" \r\n%ps\n'
    assert parse_cell(text) == Cell(script=text)


def test_magics_at_the_head_then_the_script_with_its_line():
    cell = parse_cell("%ps\n\n# look\n %tail web -n 5\n\n# now\nmake\n%not a magic\n")
    assert [call.args for call in cell.magics] == [PsArgs(), TailArgs("web", lines=5)]
    assert cell.script == "\n# now\nmake\n%not a magic\n"
    assert cell.script_line == 5


def test_session_options_stand_before_the_script():
    cell = parse_cell("# a server\n%%session --bg --name web\npython3 -m http.server\n")
    assert cell.options == CellOptions(background=True, name="web")
    assert cell.magics == ()
    assert cell.script == "python3 -m http.server\n"
    assert cell.script_line == 3


def test_what_follows_the_session_line_is_script_even_if_it_looks_like_a_magic():
    cell = parse_cell("%%session\n%ps\n")
    assert cell.magics == ()
    assert cell.script == "%ps\n"


def test_a_one_line_session_is_a_magic_with_a_command():
    cell = parse_cell("%session --bg make  -j2\necho done")
    assert cell.magics[0].args == CellOptions(background=True, command="make  -j2")
    assert cell.options == CellOptions()
    assert cell.script == "echo done"


def test_help_on_the_session_line_is_help():
    cell = parse_cell("%%session?\n")
    assert cell.magics[0].wants_help
    assert not cell.has_script


def test_a_script_in_another_language_is_left_alone():
    text = "#!/usr/bin/env python3\n%d\n"
    assert parse_cell(text) == Cell(script=text)


@pytest.mark.parametrize("text", ["", "\n", "  \n\t\n", "%ps", "%ps\n\n"])
def test_a_cell_may_have_nothing_to_run(text):
    assert not parse_cell(text).has_script


def test_a_magic_line_may_end_in_carriage_return_and_newline():
    cell = parse_cell("%ps -a\r\necho hi\r\n")
    assert cell.magics[0].args == PsArgs(all=True)
    assert cell.script == "echo hi\r\n"


def test_only_a_newline_ends_a_line():
    assert parse_cell("echo a\x0b\u2028%ps\n").magics == ()


def test_one_wrong_magic_refuses_the_cell():
    with pytest.raises(MagicError):
        parse_cell("%ps\n%kil web\nrm -rf build\n")


HEADS = st.lists(st.sampled_from(["%ps", "%tail web", "", "# note", "  %info 3", "\t"]), max_size=4)
SCRIPTS = st.text(max_size=60) | st.text(alphabet="a\t!%\r\n#\\'\" ", max_size=40)


@given(HEADS, SCRIPTS)
def test_the_script_is_byte_for_byte_the_end_of_the_cell(head, script):
    text = "".join(f"{line}\n" for line in head) + script
    try:
        cell = parse_cell(text)
    except MagicError:
        return
    assert text.endswith(cell.script)
    assert text[: len(text) - len(cell.script)].count("\n") in (cell.script_line - 1, cell.script_line - 2)


@given(SCRIPTS)
def test_under_a_session_line_any_text_is_the_script(script):
    assert parse_cell(f"%%session\n{script}").script == script


@given(st.text(max_size=80))
def test_a_cell_is_understood_or_refused_and_nothing_else(text):
    for one in (text, f"%{text}", f"%%session {text}"):
        with contextlib.suppress(MagicError):
            assert one.endswith(parse_cell(one).script)
