"""The files by which a bash gets the functions that it lacks."""

from __future__ import annotations

import os
from pathlib import Path

from vibesbox_kernel.sessions.private_files import write_private
from vibesbox_kernel.shell.cell_names import file_name
from vibesbox_kernel.shell.function_library import Library, Wanted
from vibesbox_kernel.shell.functions import numbered_as_written
from vibesbox_kernel.shell.restore import functions_text, library_text


def lay_out_functions(directory: Path, wanted: Wanted, library: Library | None) -> bytes:
    """Write the functions that a bash still needs.

    Args:
        directory: The bash's own.
        wanted: What it needs.
        library: What it has read.

    Returns:
        The text by which it takes them on.
    """
    files = {_function_file(name): numbered_as_written(text) for name, text in wanted.single.items()}
    if wanted.bulk:
        files["functions" if library is None else "more-functions"] = wanted.bulk
    for name, text in files.items():
        write_private(directory / name, text)
    known = b"" if library is None else _lay_out_what_is_known(directory, wanted, library)
    return functions_text(files, wanted.removed) + known


def _lay_out_what_is_known(directory: Path, wanted: Wanted, library: Library) -> bytes:
    """What the bash compares its functions with at its end (``bash/unchanged.sh``)."""
    write_private(directory / "known", wanted.known)
    fewer = wanted.kept is not library.by_name
    if fewer:
        write_private(directory / "names", library.names(wanted.kept))
        write_private(directory / "list", library.list_of(wanted.kept))
    return library_text(wanted.others, fewer=fewer)


def _function_file(name: bytes) -> str:
    """The file of one function: its name is what messages from the function begin with."""
    return file_name(f"{os.fsdecode(name)}()")
