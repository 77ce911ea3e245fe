"""Files: weights, nested data, checkpoints. Safe to load from anybody: nothing is executed."""

from minigrad.serialize.checkpoints import load_checkpoint, save_checkpoint
from minigrad.serialize.container import load, save
from minigrad.serialize.errors import FileError
from minigrad.serialize.weights import load_file, save_file

__all__ = [
    "FileError", "load", "load_checkpoint", "load_file", "save", "save_checkpoint", "save_file",
]  # fmt: skip
