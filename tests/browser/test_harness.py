"""The harness itself, against JupyterLab's own Python kernel: when these fail, no other browser test means anything."""

from __future__ import annotations

import re

from tests.browser.lab import Lab


def test_a_cell_runs_and_its_output_can_be_read(lab: Lab):
    """Jupyter: outputs are a stream and a result."""
    notebook = lab.open("python3", ["print('a' * 3)\n6 * 7"])
    text = notebook.run(0)
    assert text.split() == ["aaa", "42"]
    kinds = [output["output_type"] for output in notebook.outputs(0)]
    assert kinds == ["stream", "execute_result"]


def test_a_cell_far_below_the_fold_can_be_read(lab: Lab):
    """Jupyter: a cell off the screen has no layout."""
    notebook = lab.open("python3", [f"for i in range(30): print({n}, i)" for n in range(12)])
    notebook.run_all()
    assert notebook.text(0).startswith("0 0")
    assert notebook.text(11).rstrip().endswith("11 29")


def test_an_interrupt_ends_a_running_cell(lab: Lab):
    """Jupyter: an interrupt is a KeyboardInterrupt."""
    notebook = lab.open("python3", ["import time\nprint('on', flush=True)\ntime.sleep(600)"])
    notebook.start(0)
    notebook.see(0, "on")
    assert not notebook.is_finished(0)
    notebook.interrupt()
    notebook.wait_finished(0)
    assert "KeyboardInterrupt" in notebook.text(0)


def test_a_prompt_is_answered(lab: Lab):
    """Jupyter: input() asks the front-end."""
    notebook = lab.open("python3", ["print('hello', input('name? '))"])
    notebook.start(0)
    notebook.answer("Ada")
    notebook.see(0, "hello Ada")
    notebook.wait_finished(0)


BUTTON = """
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
      const button = document.createElement("button");
      const show = () => { button.textContent = `pressed ${model.get("count")}`; };
      button.onclick = () => model.send({ kind: "press" });
      model.on("change:count", show); show(); el.append(button);
    } }'''
    count = traitlets.Int(0).tag(sync=True)
    def __init__(self):
        super().__init__()
        self.on_msg(lambda widget, content, buffers: setattr(self, "count", self.count + 1))
Counter()
"""


def test_a_widget_is_clicked_and_comes_back_after_a_reload(lab: Lab):
    """Jupyter: comms outlive the page."""
    notebook = lab.open("python3", [BUTTON])
    notebook.run(0)
    notebook.click(0, "pressed 0")
    notebook.see(0, "pressed 1")
    notebook.reload()
    notebook.see(0, re.compile("pressed 1"))
    notebook.click(0, "pressed 1")
    notebook.see(0, "pressed 2")


def test_a_restart_forgets_variables(lab: Lab):
    """Jupyter: a restarted kernel is a new process."""
    notebook = lab.open("python3", ["x = 1", "'x' in globals()"])
    notebook.run(0)
    assert notebook.run(1).strip() == "True"
    notebook.restart()
    assert notebook.run(1).strip() == "False"
