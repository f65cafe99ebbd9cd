"""What the errors say, and what the front doors add."""

from __future__ import annotations

import errno

import pytest

from vibesbox_kernel.errors import (
    DirectoryNotFoundError,
    LaunchError,
    NameTakenError,
    SessionNotFoundError,
    SessionOwnedError,
    SessionTimeoutError,
    ShellNotFoundError,
    VibesboxError,
)
from vibesbox_kernel.shell.error_words import in_words


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            DirectoryNotFoundError("/nope"),
            "the directory /nope can not be entered: no such directory; create it or give another cwd",
        ),
        (
            ShellNotFoundError("/nope", "permission denied"),
            "the shell /nope can not be run: permission denied; give the path of an installed shell",
        ),
        (
            LaunchError(errno.EMFILE, "the system refused to start /bin/sh"),
            "the system refused to start /bin/sh: Too many open files",
        ),
        (
            SessionOwnedError(7, "IPython terminal (pid 5)"),
            "session 7 belongs to IPython terminal (pid 5), which is alive: it can be read;"
            " to take it over make it durable there, close that program, then adopt it",
        ),
    ],
)
def test_an_error_of_the_system_reads_as_a_sentence_and_keeps_its_number(error, said):
    """Python: ``str`` of an OSError begins with ``[Errno N]``."""
    assert str(error) == said
    assert in_words(error).startswith(said.split(":")[0])
    assert isinstance(error, OSError)
    assert error.errno in (errno.ENOENT, errno.EMFILE, errno.EPERM)


def test_a_path_that_was_not_found_is_an_attribute():
    """Python: ``filename``, as of every FileNotFoundError."""
    assert (DirectoryNotFoundError("/nope").filename, ShellNotFoundError("/nope").filename) == ("/nope", "/nope")


@pytest.mark.parametrize(
    ("known", "living", "said"),
    [
        ([], None, "none yet"),
        (["a"], None, "a"),
        ([str(number) for number in range(26)], None, "0, 1, 2, 3, 4, 5, 6, 7 and 18 more"),
        ([str(number) for number in range(26)], 12, "0, 1, 2, 3, 4, 5, 6, 7 and 18 more"),
        (["a", "b", "c"], 1, "a and 2 more that have ended"),
        (["a", "b"], 1, "a and 1 more that has ended"),
        (["a", "b"], 0, "2 that have ended"),
    ],
)
def test_what_there_is_instead_is_said_in_a_line_and_kept_whole(known, living, said):
    """Ours: a message is no listing."""
    error = SessionNotFoundError("x", known, living=living)
    assert str(error) == f"session x not found; known: {said}"
    assert list(error.known) == known


def test_the_end_of_a_wait_says_nothing_that_is_untrue_of_a_queued_session():
    """Ours: it may not have started."""
    assert str(SessionTimeoutError("web", 1.5)) == "session web has not ended after 1.5 s; it goes on"


def test_a_name_that_is_taken_has_a_way_out_and_in_the_doors_two():
    """Ours: only there is ``%rename`` known."""
    error: VibesboxError = NameTakenError("web", "0123456789", 7)
    assert str(error) == "the name 'web' is taken by running session 01234567 (pid 7); give another name"
    assert in_words(error) == f"{error}, or %rename the other"
