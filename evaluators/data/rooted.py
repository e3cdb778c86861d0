"""`data.root`: the folder that a data set on disk lies in."""

from pathlib import Path


def folder_at(root: str | None, *, expected: str) -> Path:
    """The folder named by `root`; ValueError, with what was `expected` there, where it is not given or no folder."""
    if root is None:
        raise ValueError(f"data.root: not given; expected {expected}")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise ValueError(f"data.root: {folder} is not a folder; expected {expected}")
    return folder
