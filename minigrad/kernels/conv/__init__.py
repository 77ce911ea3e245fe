"""Convolution on arrays; `run` is the entrance, the other files are its ways of computing."""
