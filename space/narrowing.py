"""What a command line that fixes an option leaves standing of the file's template."""

from collections.abc import Mapping
from typing import Any

from registry import nearest


def keep_fixed(narrowed: Any, written: Any, path: str = "") -> Any:
    """`narrowed` with an option that the command line fixed by its name (`mixer=attention`) given the file's fixed arguments.

    Its holes go to their defaults, as the name alone says; what the file fixes (a stage's heads) is a property of the place, not
    a choice, and stays. ValueError for a value that the file's hole does not have.
    """
    refuse_outside(narrowed, written, path)
    if isinstance(narrowed, str) and isinstance(written, Mapping) and isinstance(written.get(narrowed), Mapping):
        fixed = {key: value for key, value in written[narrowed].items() if not isinstance(value, Mapping)}
        return {"name": narrowed, **fixed} if fixed else narrowed
    if isinstance(narrowed, Mapping) and isinstance(written, Mapping):
        return {key: keep_fixed(value, written.get(key), f"{path}.{key}" if path else key) for key, value in narrowed.items()}
    return narrowed


def refuse_outside(value: Any, hole: Any, path: str) -> None:
    """ValueError where a hole was given one value, and the file does not list it."""
    if isinstance(value, Mapping) or not isinstance(hole, Mapping):
        return
    if "choice" in hole and value not in hole["choice"]:
        known = [str(option) for option in hole["choice"]]
        wider = f"To go beyond the file, list it: space.arch.{path}.choice=[{value}]"
        raise ValueError(f"{path}: '{value}' is not among its choices; {nearest(str(value), known)} {wider}")
    if "int" in hole and value not in range(hole["int"][0], hole["int"][1] + 1, *hole["int"][2:]):
        raise ValueError(
            f"{path}: {value} is outside of {hole['int']}. To go beyond the file, say space.arch.{path}.int=[{value},{value}]"
        )
