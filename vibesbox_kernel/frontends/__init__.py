"""The doors through which users come in: they translate and call down, and never import each other."""
