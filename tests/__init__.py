"""The tests; what several of them use is here: lifelines, the search for leaks, the browser's harness."""
