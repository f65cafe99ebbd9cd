"""The broker: its own process, which owns every session of one kernel.

Standard library only, one thread, no user code. Nothing in here may import the rest of the package:
the broker runs isolated (``python -I -S bootstrap.py``), so that neither a user's environment nor a
broken installation can take the sessions down. The one module that others read is ``wire``.
"""
