"""What a command line that fixes an option leaves standing of the file's template."""

from collections.abc import Mapping
from typing import Any


def keep_fixed(narrowed: Any, written: Any) -> Any:
    """`narrowed` with an option that the command line fixed by its name (`mixer=attention`) given the file's fixed arguments.

    Its holes go to their defaults, as the name alone says; what the file fixes (a stage's heads) is a property of the place, not
    a choice, and stays.
    """
    if isinstance(narrowed, str) and isinstance(written, Mapping) and isinstance(written.get(narrowed), Mapping):
        fixed = {key: value for key, value in written[narrowed].items() if not isinstance(value, Mapping)}
        return {"name": narrowed, **fixed} if fixed else narrowed
    if isinstance(narrowed, Mapping) and isinstance(written, Mapping):
        return {key: keep_fixed(value, written.get(key)) for key, value in narrowed.items()}
    return narrowed
