"""Where an instance lives: a private place that a socket's path fits into, whatever the machine offers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from vibesbox_kernel.errors import BrokerError
from vibesbox_kernel.sessions import SessionManager, places


@pytest.mark.anyio
@pytest.mark.parametrize("has_shared_memory", [True, False])
async def test_without_a_runtime_directory_another_private_place_is_found(monkeypatch, isolation, has_shared_memory):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    shared, temporary = isolation / "shm", isolation / "tmp"  # short, as a socket's path has to be
    temporary.mkdir()
    if has_shared_memory:
        shared.mkdir()
    monkeypatch.setattr(places, "SHARED_MEMORY", shared)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    async with SessionManager() as manager:
        assert (await manager.run("echo here")).output == "here\n"
    (used,) = (shared if has_shared_memory else temporary).iterdir()
    assert (used.stat().st_mode & 0o777) == 0o700


def test_a_place_that_is_somebody_else_s_is_not_used(monkeypatch, tmp_path):
    """Ours: a link in a world-writable directory could lead anywhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BrokerError, match="not a directory of this user"):
        places._private(tmp_path / "link")


@pytest.mark.parametrize("instance", ["../up", "", "a/b", "-x", "x" * 200])
def test_an_id_that_is_no_plain_name_is_refused(instance):
    with pytest.raises(ValueError, match="instance"):
        places.make_places(instance)


def test_a_long_id_still_fits_into_a_socket_s_path(monkeypatch):
    found = places.make_places("k" * 128)
    assert len(str(found.socket).encode()) <= places.MAX_SOCKET_PATH_BYTES
    assert Path(found.runtime).is_dir()
