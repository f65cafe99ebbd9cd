"""Finds where in a script the cursor is: in which command, at which word, inside which quotes.

Nothing is run or expanded. It is not bash's parser and need not be: it reads a script that is being written, up to the
cursor, and must only find the command that the cursor stands in.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vibesbox_kernel.shell.command_frame import Frame
from vibesbox_kernel.shell.command_line import WORD_BREAKS, CommandLine, Place, Variable

MAX_CHARACTERS = 1 << 15
"""Of a longer text only the end is read: a cell of a megabyte would take longer than anybody waits."""

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_BRACED = re.compile(r"\$\{[#!]?(\w*)", re.ASCII)
_HEREDOC = re.compile(r"<<-?[ \t]*((?:[^\s;|&<>()\\'\"]|\\.|'[^']*'|\"[^\"]*\")+)")
_QUOTING = re.compile(r"[\\'\"]")
_LAST_NAME = re.compile(r"[A-Za-z_]?\w*\Z", re.ASCII)
_GLOB_SIGNS = "?*+@!"


def parse_command_line(text: str) -> CommandLine:
    """Find what the cursor, at the end of the text, stands in."""
    skipped = 0
    if len(text) > MAX_CHARACTERS:
        skipped = text.find("\n", len(text) - MAX_CHARACTERS) + 1
    found = _Scanner(text[skipped:]).scan()
    return replace(found, start=found.start + skipped)


def is_in_text(text: str) -> bool:
    """Whether the end of the text is inside quotes or a here-document, where blanks are part of what is written."""
    scanner = _Scanner(text[-MAX_CHARACTERS:])
    scanner.scan()
    return scanner.in_heredoc or scanner.in_quotes


class _Scanner:
    """Reads a text once from its beginning to the cursor, which is its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._frames = [Frame("")]
        self._heredocs: list[tuple[str, bool]] = []
        self._found: CommandLine | None = None
        self.in_heredoc = False

    @property
    def in_quotes(self) -> bool:
        """Whether a quote is open at the cursor."""
        return bool(self._frame.quote)

    @property
    def _frame(self) -> Frame:
        return self._frames[-1]

    def scan(self) -> CommandLine:
        while self._at < len(self._text) and self._found is None:
            if self._frame.quote:
                self._quoted(self._text[self._at])
            else:
                self._plain(self._text[self._at])
        return self._found or self._at_cursor()

    # Outside of quotes

    def _plain(self, char: str) -> None:
        frame = self._frame
        if char in " \t":
            frame.end_word(self._text, self._at)
            self._at += 1
        elif char == "\n":
            self._newline()
        elif char in ";|&":
            self._separator(char)
        elif char in "<>":
            self._redirection(char)
        elif char in "()":
            self._parenthesis(char)
        elif char == "`":
            self._backquote()
        elif char == "#" and frame.start is None:
            self._comment()
        else:
            frame.begin_word(self._at)
            self._in_word(char)

    def _in_word(self, char: str) -> None:
        frame = self._frame
        if char == "\\":
            if self._text[self._at + 1 : self._at + 2] != "\n":
                frame.add(self._text[self._at + 1 : self._at + 2])
            self._at += 2
        elif char in "'\"":
            frame.quote = char
            self._at += 1
        elif char == "$":
            self._dollar()
        else:
            self._at += 1
            if char in WORD_BREAKS:
                frame.begin_part(self._at)
            else:
                frame.add(char)

    def _newline(self) -> None:
        self._frame.end_command(self._text, self._at)
        self._at += 1
        for delimiter, expands in self._heredocs:
            if not self._skip_heredoc(delimiter):
                self._in_heredoc(expands)
                break
        self._heredocs.clear()

    def _separator(self, char: str) -> None:
        if char == "&" and self._text[self._at + 1 : self._at + 2] == ">":
            self._frame.end_word(self._text, self._at)
        else:
            self._frame.end_command(self._text, self._at)
        self._at += 1

    def _redirection(self, char: str) -> None:
        frame = self._frame
        following = self._text[self._at + 1 : self._at + 2]
        if following == "(":  # <(…) is a word
            frame.begin_word(self._at)
            frame.add(None)
            self._at += 2
            self._frames.append(Frame("("))
            return
        if frame.start is not None and self._text[frame.start : self._at].isdigit():
            frame.start = None  # a descriptor's number
        frame.end_word(self._text, self._at)
        heredoc = None if self._text.startswith("<<<", self._at) else _HEREDOC.match(self._text, self._at)
        if heredoc is not None and heredoc.end() < len(self._text):
            word = heredoc.group(1)
            self._heredocs.append((_QUOTING.sub("", word), not _QUOTING.search(word)))
            self._at = heredoc.end()
            return
        while self._text[self._at : self._at + 1] in tuple("<>&|"):
            self._at += 1
        frame.redirects = True

    def _parenthesis(self, char: str) -> None:
        frame = self._frame
        if char == ")":
            self._close()
        elif frame.start is not None and self._text[self._at - 1] == "=":
            self._open("=(")
        elif frame.start is not None and self._text[self._at - 1] in _GLOB_SIGNS:
            frame.add(None)
            self._open("glob(")
        elif self._text.startswith("((", self._at) and frame.start is None:
            self._open("((")
        else:
            frame.end_word(self._text, self._at)
            self._open("(")

    def _open(self, opener: str) -> None:
        self._at += 2 if opener == "((" else 1
        self._frames.append(Frame(opener))

    def _close(self) -> None:
        opener = self._frame.opener
        if opener == "" or opener == "`":  # of a pattern in `case`
            self._frame.end_command(self._text, self._at)
            self._at += 1
            return
        self._frames.pop()
        self._at += 2 if opener == "((" and self._text.startswith("))", self._at) else 1
        if opener == "(" and self._frame.start is None:
            self._frame.words.clear()  # of a function's head, or a subshell: a command may follow

    def _backquote(self) -> None:
        if self._frame.opener == "`":
            self._frames.pop()
        else:
            self._frame.begin_word(self._at)
            self._frame.add(None)
            self._frames.append(Frame("`"))
        self._at += 1

    def _comment(self) -> None:
        end = self._text.find("\n", self._at)
        if end < 0:
            self._found = replace(self._nothing(), is_comment=True)
        else:
            self._at = end

    # Inside quotes

    def _quoted(self, char: str) -> None:
        frame = self._frame
        if char == frame.quote[-1]:
            frame.quote = ""
        elif frame.quote == '"' and char == "$":
            self._dollar()
            return
        elif frame.quote == '"' and char == "`":
            self._backquote()
            return
        elif char == "\\" and frame.quote != "'":
            self._escaped(frame)
        else:
            frame.add(char)
        self._at += 1

    def _escaped(self, frame: Frame) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if frame.quote == '"' and following not in ("$", "`", '"', "\\", "\n"):
            frame.add("\\")
            return
        self._at += 1
        if following != "\n":
            frame.add(following)

    # Expansions

    def _dollar(self) -> None:
        frame, following = self._frame, self._text[self._at + 1 : self._at + 2]
        if following == "(":
            frame.add(None)
            arithmetic = self._text.startswith("((", self._at + 1)
            self._at += 3 if arithmetic else 2
            self._frames.append(Frame("((" if arithmetic else "$("))
        elif following == "{":
            self._braced()
        elif following == "'" and not frame.quote:
            frame.quote = "$'"
            self._at += 2
        else:
            self._named()

    def _named(self) -> None:
        start = self._at + 1
        name = _NAME.match(self._text, start)
        end = name.end() if name else start
        if end == len(self._text):
            self._found = CommandLine(Place.VARIABLE, (), start, self._text[start:end])
            return
        self._frame.add(Variable(name.group()) if name else None)
        self._at = end if name else start + 1

    def _braced(self) -> None:
        match = _BRACED.match(self._text, self._at)
        assert match is not None
        end = match.end()
        if end == len(self._text):
            self._found = CommandLine(Place.VARIABLE, (), match.start(1), match.group(1), quote="{")
            return
        if self._text[end] == "}" and match.group().startswith("${" + match.group(1)):
            self._frame.add(Variable(match.group(1)))
            self._at = end + 1
            return
        self._frame.add(None)
        closed = _end_of_braces(self._text, end)
        if closed < 0:
            self._found = self._nothing()
        else:
            self._at = closed

    # Here-documents

    def _skip_heredoc(self, delimiter: str) -> bool:
        """Go to the line behind a here-document; False if the cursor is inside of it."""
        at = self._at
        while at <= len(self._text):
            end = self._text.find("\n", at)
            if end < 0:
                return False
            if self._text[at:end].lstrip("\t") == delimiter:
                self._at = end + 1
                return True
            at = end + 1
        return False

    def _in_heredoc(self, expands: bool) -> None:
        self.in_heredoc = True
        tail = re.search(r"\$(\{?)(\w*)\Z", self._text, re.ASCII)
        if not expands or tail is None:
            self._found = self._nothing()
            return
        self._found = CommandLine(Place.VARIABLE, (), tail.start(2), tail.group(2), quote=tail.group(1))

    # The end

    def _nothing(self) -> CommandLine:
        return CommandLine(Place.NOTHING, (), len(self._text), "")

    def _at_cursor(self) -> CommandLine:
        if self._frame.opener == "((" and self._frame.start is not None:
            name = _LAST_NAME.search(self._text)
            assert name is not None
            return CommandLine(Place.VARIABLE, (), name.start(), name.group())
        return self._frame.command_line(self._text) or self._nothing()


def _end_of_braces(text: str, at: int) -> int:
    """Behind the ``}`` that closes an expansion; -1 if there is none."""
    depth = 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return -1
