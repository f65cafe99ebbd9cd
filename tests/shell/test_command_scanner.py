"""Where the cursor is in a script that is being written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel.shell.command_line import CommandLine, Place, Variable, split_word
from vibesbox_kernel.shell.command_scanner import MAX_CHARACTERS, is_in_text, parse_command_line


@pytest.mark.parametrize(
    ("script", "place", "words", "raw"),
    [
        ("", "command", (), ""),
        ("ls", "command", (), "ls"),
        ("ls ", "argument", ("ls",), ""),
        ("git che", "argument", ("git",), "che"),
        ("a; git che", "argument", ("git",), "che"),
        ("a | b && c -", "argument", ("c",), "-"),
        ("a & gi", "command", (), "gi"),
        ("x=1 y=2 git che", "argument", ("git",), "che"),
        ("if tr", "command", (), "tr"),
        ("if a; then gi", "command", (), "gi"),
        ("for x in a b; do gi", "command", (), "gi"),
        ("for x in fi", "argument", ("for", "x", "in"), "fi"),
        ("for x", "nothing", ("for",), "x"),
        ("while ! gi", "command", (), "gi"),
        ("f() { git che", "argument", ("git",), "che"),
        ("f() gi", "command", (), "gi"),
        ("(cd x; gi", "command", (), "gi"),
        ("case x in a) git che", "argument", ("git",), "che"),
        ("echo $(git che", "argument", ("git",), "che"),
        ('echo "$(git che', "argument", ("git",), "che"),
        ("echo `git che", "argument", ("git",), "che"),
        ("echo $(date) fi", "argument", ("echo", "$(date)"), "fi"),
        ("diff <(git che", "argument", ("git",), "che"),
        ("diff <(ls) fi", "argument", ("diff", "<(ls)"), "fi"),
        ("ls >/tm", "file", ("ls",), "/tm"),
        ("ls 2>/tm", "file", ("ls",), "/tm"),
        ("ls &>/tm", "file", ("ls",), "/tm"),
        ("ls 2>&1 | gr", "command", (), "gr"),
        ("ls >x -", "argument", ("ls",), "-"),
        ("cat <<<fi", "file", ("cat",), "fi"),
        ("x=/et", "file", (), "/et"),
        ("PATH=$PATH:/us", "file", (), "/us"),
        ("x=(fi", "file", (), "fi"),
        ("echo $HO", "variable", (), "HO"),
        ("echo ${HO", "variable", (), "HO"),
        ("echo ${#HO", "variable", (), "HO"),
        ('echo "a $HO', "variable", (), "HO"),
        ("echo '$HO", "argument", ("echo",), "'$HO"),
        ("echo $", "variable", (), ""),
        ("echo ${x:-a", "nothing", (), ""),
        ("(( x + fo", "variable", (), "fo"),
        ("echo $((fo", "variable", (), "fo"),
        ("ls ~ro", "user", ("ls",), "~ro"),
        ("ls ~/x", "argument", ("ls",), "~/x"),
        ("ls # gi", "nothing", (), ""),
        ("echo a#b", "argument", ("echo",), "a#b"),
        ("ls $(date)x", "nothing", (), ""),
        ("[[ -f /et", "argument", ("[[", "-f"), "/et"),
        ("git log --pretty=me", "argument", ("git", "log"), "me"),
        ("scp host:fi", "argument", ("scp",), "fi"),
        ("echo a\\\n  b", "argument", ("echo", "a\\\n"), "b"),
        ("cat <<X\ngi", "nothing", (), ""),
        ("cat <<X\na $HO", "variable", (), "HO"),
        ("cat <<'X'\na $HO", "nothing", (), ""),
        ("cat <<X\na\nX\ngit che", "argument", ("git",), "che"),
        ("cat <<-X | git che", "argument", ("git",), "che"),
        ("cat <<A <<B\n1\nA\n2\nB\ngi", "command", (), "gi"),
    ],
)
def test_the_cursor_is_found(script: str, place: str, words: tuple[str, ...], raw: str) -> None:
    """Bash: these are its own rules, as far as a cursor needs them."""
    found = parse_command_line(script)
    assert (found.place, found.words if place != "nothing" or words else (), found.raw) == (Place(place), words, raw)
    assert script[found.start :] == raw


@pytest.mark.parametrize(
    ("script", "pieces", "quote"),
    [
        ('cat "my f', ("my f",), '"'),
        ("cat 'my f", ("my f",), "'"),
        (r"cat my\ f", ("my f",), ""),
        ("cat $'it\\'s f", ("it's f",), "$'"),
        ('cat my" f', ("my f",), '"'),
        ("cat $HOME/x", (Variable("HOME"), "/x"), ""),
        ('cat "${HOME}/x', (Variable("HOME"), "/x"), '"'),
        (r'cat "a\"b\c', ('a"b\\c',), '"'),
    ],
)
def test_a_word_is_known_without_its_quotes(script: str, pieces: tuple[object, ...], quote: str) -> None:
    """Bash: quote removal."""
    found = parse_command_line(script)
    assert (found.pieces, found.quote) == (pieces, quote)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("git log --pretty=me", ("git", "log", "--pretty", "=", "")),
        ("git log --pretty=", ("git", "log", "--pretty", "=")),
        ("scp host:", ("scp", "host", ":")),
        ("git che", ("git", "")),
        ("dd if=a of=b", ("dd", "if", "=", "a", "of", "=", "")),
        ("x 'a=b' c", ("x", "'a=b'", "")),
    ],
)
def test_words_are_split_as_completion_functions_expect(script: str, words: tuple[str, ...]) -> None:
    """Bash: COMP_WORDS is split at COMP_WORDBREAKS; a break at the cursor is the last word."""
    assert parse_command_line(script).comp_words == words


@pytest.mark.parametrize(
    ("script", "inside"),
    [("echo 'a\n", True), ('echo "a $(ls) ', True), ("cat <<X\na\n", True), ("if a; then\n", False), ("# it's", False)],
)
def test_quotes_and_here_documents_are_text(script: str, inside: bool) -> None:
    """Ours: blanks there are not ours to add."""
    assert is_in_text(script) is inside


def test_of_a_long_script_only_the_end_is_read() -> None:
    """Ours: a cell of a megabyte does not keep anybody waiting."""
    script = "echo 'never closed\n" + "echo a\n" * MAX_CHARACTERS + "git che"
    found = parse_command_line(script)
    assert (found.words, script[found.start :]) == (("git",), "che")


@given(st.text(alphabet="ab ='\"\\$`(){}<>|&;#\n~:!*", max_size=40))
def test_any_text_has_a_cursor(script: str) -> None:
    """Ours: nothing that can be typed is a reason to fail."""
    found: CommandLine = parse_command_line(script)
    assert 0 <= found.start <= len(script)
    assert "".join(split_word(script)) == script or "\\" in script or "'" in script or '"' in script
