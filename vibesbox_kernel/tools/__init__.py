"""Commands for use inside sessions, such as ``vibesbox-show``.

They run in the user's session, by the interpreter that runs the notebook, isolated (``python -I -S``): nothing but the
standard library, and nothing of ours but what is in here. Launchers are in ``bin``, on the PATH of cells.
"""
