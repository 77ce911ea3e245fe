"""Time minigrad beside PyTorch."""
