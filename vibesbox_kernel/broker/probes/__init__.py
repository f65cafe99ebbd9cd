"""What this machine lets Vibesbox promise: each probe really does the thing that a promise stands on.

They run in a process of their own, as the broker would (``bootstrap.py --probe``), and need nothing of a broker.
"""
