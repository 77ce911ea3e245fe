"""Files: weights, nested data, checkpoints. Safe to load from anybody: nothing is executed."""

from minigrad.serialize.container import FileError, load, save
from minigrad.serialize.weights import load_checkpoint, load_file, save_checkpoint, save_file

__all__ = [
    "FileError",
    "load",
    "load_checkpoint",
    "load_file",
    "save",
    "save_checkpoint",
    "save_file",
]
