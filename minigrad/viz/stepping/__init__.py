"""Forward and backward, node by node: what :func:`minigrad.viz.steps` shows, and how."""
