"""Windows that slide over arrays; `pooling` is the entrance."""
