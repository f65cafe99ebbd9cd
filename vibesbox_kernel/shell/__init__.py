"""What a cell's text means and how it runs: cells, magics, shell state, output to a front-end. Knows no Jupyter."""

from __future__ import annotations
