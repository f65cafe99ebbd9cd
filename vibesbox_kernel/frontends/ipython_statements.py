"""Tell a magic that stands alone from one whose value is used.

IPython makes the same call of ``%ps`` and of ``sessions = %ps``. The first is to show the table, the second to give
the list and to show nothing. Python's own tree of the cell tells them apart.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from enum import Enum

from vibesbox_kernel.shell.magics import EXPAND


class Use(Enum):
    """What becomes of a line magic's value."""

    SHOWN = "shown"
    TAKEN = "taken"
    UNKNOWN = "unknown"
    """The call was not seen by ``MarkUses``: it comes from a module, or from the cell that loads the extension."""

    @property
    def shows(self) -> bool:
        """Whether the magic is to show what it found."""
        return self is not Use.TAKEN

    @property
    def gives(self) -> bool:
        """Whether the magic is to return what it found."""
        return self is not Use.SHOWN


class MarkUses(ast.NodeTransformer):
    """Has each of our line magics in a cell called with what becomes of its value.

    Source: IPython's documentation, "Custom input transformation", AST transformations.

    Args:
        names: The magics' names.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A statement that is an expression: nobody takes its value."""
        marked = self._marked(node.value, Use.SHOWN)
        if marked is None:
            return self.generic_visit(node)
        node.value = marked
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A call anywhere else: its value is used."""
        return self._marked(node, Use.TAKEN) or self.generic_visit(node)

    def _marked(self, node: ast.expr, use: Use) -> ast.Call | None:
        """``get_ipython().find_line_magic(NAME)(LINE, use=USE)``; None if the node calls no magic of ours."""
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Call(func=ast.Name("get_ipython")) as shell, attr="run_line_magic"),
                args=[ast.Constant(name), line],
                keywords=[],
            ) if name in self._names:
                find = ast.Call(ast.Attribute(shell, "find_line_magic", ast.Load()), [ast.Constant(name)], [])
                keywords = [ast.keyword("use", ast.Constant(use.value))]
                if EXPAND in ast.unparse(line):
                    scope = ast.Call(ast.Name("locals", ast.Load()), [], [])
                    keywords.append(ast.keyword("local_ns", scope))  # a function's variables are there, too
                marked = ast.Call(find, [line], keywords)
                return ast.fix_missing_locations(ast.copy_location(marked, node))
        return None
