"""The error of files."""

__all__ = ["FileError"]


class FileError(RuntimeError):
    """A file cannot be read: it is damaged, cut off, or of another kind."""
