"""A real JupyterLab in a headless Chromium: a server, a page, a notebook, each with verbs a test can read."""
