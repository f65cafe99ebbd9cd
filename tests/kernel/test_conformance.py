"""Jupyter's own conformance suite on our kernel."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import jupyter_kernel_test

from tests.kernel.driver import install_spec
from vibesbox_kernel.frontends import install


class TestConformance(jupyter_kernel_test.KernelTests):  # type: ignore[misc]
    """Whatever of it applies to a shell: there is no pager, no execute_result."""

    kernel_name = install.NAME
    language_name = "bash"
    file_extension = ".sh"

    code_hello_world = "echo hello, world"
    code_generate_error = "false"
    code_stderr = "%%session --io split\necho trouble >&2"
    code_clear_output = r"echo one; sleep 1; printf '\033[A\rONE\n'"
    code_display_data: ClassVar[list[dict[str, str]]] = [
        {"code": "%ps", "mime": "text/html"},
        {"code": "echo '# Title' | vibesbox-show --type md", "mime": "text/markdown"},
    ]
    completion_samples: ClassVar[list[dict[str, Any]]] = [
        {"text": "%wai", "matches": {"%wait"}},
        {"text": "%%se", "matches": {"%%session"}},
        {"text": "%tail --fol", "matches": {"--follow"}},
        {"text": "echo $PW", "matches": {"PWD"}},
        {"text": "cat /proc/self/cmdl", "matches": {"/proc/self/cmdline"}},
    ]
    complete_code_samples: ClassVar[list[str]] = [
        "echo hi",
        "for i in 1 2; do echo $i; done",
        "%ps",
        "",
        "cat <<X\nx\nX",
    ]
    incomplete_code_samples: ClassVar[list[str]] = ["for i in 1 2; do", "echo 'a", "echo a \\", "f() {", "cat <<X\nx"]
    invalid_code_samples: ClassVar[list[str]] = ["fi", "echo )", "%no-such-magic"]

    code_inspect_sample = "cd"
    code_history_pattern = "echo hi*"
    supported_history_operations = ("tail", "range", "search")

    _directory: ClassVar[TemporaryDirectory[str]]
    _before: ClassVar[str | None]

    def test_history(self) -> None:
        """The suite's, which takes its cells from where it has those with an execute_result."""
        self.code_execute_result = [{"code": "echo hi"}, {"code": "echo ho"}]
        super().test_history()

    @classmethod
    def setUpClass(cls) -> None:
        cls._directory = TemporaryDirectory()
        cls._before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = str(install_spec(Path(cls._directory.name)))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        cls.km.cleanup_resources()
        if cls._before is None:
            del os.environ["JUPYTER_PATH"]
        else:
            os.environ["JUPYTER_PATH"] = cls._before
        cls._directory.cleanup()
