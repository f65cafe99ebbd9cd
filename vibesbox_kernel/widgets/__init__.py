"""Views of sessions for notebooks: anywidgets, and what stands in their place where there are none."""
