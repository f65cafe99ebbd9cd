"""The terminal's bundle is what its sources make, and its licence goes with it; no network is needed to see that."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_FRONTEND = _ROOT / "frontend"
_STATIC = _ROOT / "vibesbox_kernel" / "widgets" / "static"
_SOURCES = ("build.mjs", "package-lock.json", "package.json", "xterm.js")
_BUILD_ANEW = "run `make terminal` and commit what it writes"


def sha256(*files: Path) -> str:
    return hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()


def read_json(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_FRONTEND / name).read_text())
    return found


def test_the_bundle_is_built_from_these_sources():
    """Ours: whoever changes a version or the build script builds anew, and nobody edits the bundle by hand."""
    built = read_json("built.json")
    assert built["sources"] == sha256(*(_FRONTEND / name for name in _SOURCES)), _BUILD_ANEW
    assert built["bundle"] == sha256(_STATIC / "xterm.js"), _BUILD_ANEW


def test_the_versions_are_exact_and_locked_by_their_hashes():
    """Ours: the same bundle next year, from whichever registry."""
    wanted = read_json("package.json")["devDependencies"]
    locked = read_json("package-lock.json")["packages"]
    assert (
        {name: locked[f"node_modules/{name}"]["version"] for name in wanted}
        == wanted
        == read_json("built.json")["versions"]
    )
    assert all("integrity" in one and "resolved" not in one for name, one in locked.items() if name)


def test_the_licence_of_what_is_bundled_is_shipped():
    """MIT: the notice is included in all copies."""
    text = (_STATIC / "xterm.LICENSE.txt").read_text()
    versions = read_json("built.json")["versions"]
    for name in ("@xterm/xterm", "@xterm/addon-fit"):
        assert f"{name} {versions[name]}\n" in text
    assert text.count("The above copyright notice and this permission notice shall be included") == 2
