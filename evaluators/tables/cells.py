"""The cells of a table of recorded trainings: read as they are written, then each column taken as choices or as numbers."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ABSENT = "absent"
"""The option that an empty cell of a choice is."""

MISSING = ("", "na", "n/a", "nan", "null", "none", "-")
"""How tables write a number that is not there, in small letters."""

WHOLE, DECIMAL = r"[+-]?\d+", r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


def read_cells(file: Path) -> pd.DataFrame:
    """Every cell as text, an empty one as ''; ValueError where the file cannot be read or holds no rows."""
    if not file.is_file():
        raise ValueError(f"table.file: {file} is no file; expected a table as csv, csv.gz or parquet")
    kind = next((suffix for suffix in reversed(file.suffixes) if suffix not in (".gz", ".bz2", ".xz", ".zip")), "").lower()
    try:
        if kind in (".csv", ".txt"):
            frame = pd.read_csv(file, dtype=str, keep_default_na=False, na_filter=False)
        elif kind in (".parquet", ".pq"):
            frame = pd.read_parquet(file).astype(object).map(_written)
        else:
            raise ValueError(f"the ending '{kind}' is not known; known: .csv, .csv.gz, .parquet")
    except ImportError:
        raise ValueError(f"table.file: {file} needs pyarrow to be read; pip install pyarrow, or save it as csv") from None
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"table.file: cannot read {file}: {error}") from None
    if frame.empty:
        raise ValueError(f"table.file: {file} has no rows")
    return frame.rename(columns=lambda name: str(name).strip()).apply(lambda column: column.str.strip())


def _written(cell: Any) -> str:
    """A typed cell as a csv would hold it."""
    return "" if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell) else str(cell)


def numbers(frame: pd.DataFrame, column: str) -> np.ndarray:
    """A column as floats, NaN where a cell is empty; ValueError names the first cell that is no number."""
    cells = frame[column]
    found = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float)
    wrong = ~np.isfinite(found) & ~cells.str.lower().isin(MISSING).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"column '{column}', row {row + 1}: given '{cells.iloc[row]}'; allowed: a number, or an empty cell")
    return found


def options(frame: pd.DataFrame, column: str) -> list[str] | list[int] | list[float]:
    """A column as choices: whole numbers or decimal ones where all cells are, else words; an empty cell is the word `absent`."""
    cells = frame[column].tolist()
    for pattern, kind in ((WHOLE, int), (DECIMAL, float)):
        if all(re.fullmatch(pattern, cell) for cell in set(cells)):
            return [kind(cell) for cell in cells]
    return [cell or ABSENT for cell in cells]
