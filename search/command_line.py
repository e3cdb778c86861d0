"""What a command line says, read as text: the name of its run, the folders and keys it mentions.

The name is the same for the same search, so that the same command goes on with it.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WHAT = ("space", "table", "table.file")
"""What is searched: the folder above the run says it already."""

NOT_THE_RUN = ("run", "search.trials", "search.budget", "launch", "hydra", "results")
"""Beginnings of overrides that do not name a run: where it is, how long it goes on and what launches it."""


def run_name(overrides: Iterable[str]) -> str:
    """A readable name: a slug of the overrides that matter, and eight digits of their hash."""
    kept = sorted(item for item in overrides if key_of(item) not in WHAT and not key_of(item).startswith(NOT_THE_RUN))
    if not kept:
        return "default"
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", "_".join(item.lstrip("+~") for item in kept)).strip("-")[:60].rstrip("-._")
    return f"{slug}-{hashlib.sha1(chr(10).join(kept).encode()).hexdigest()[:8]}"


def key_of(override: str) -> str:
    """The dotted key or the group that an override sets."""
    return override.split("=", 1)[0].lstrip("+~").split("@", 1)[0]


def config_dirs(arguments: list[str]) -> list[Path]:
    """The folders that a command line adds: `--config-dir conf`, `--config-dir=conf`."""
    given = [value for flag, value in itertools.pairwise(arguments) if flag in ("--config-dir", "-cd")]
    return [Path(value) for value in [*given, *(a.split("=", 1)[1] for a in arguments if a.startswith("--config-dir="))]]


def listed(names: Any) -> list[str]:
    """`plugins` as yaml gives it: a list, one name, nothing."""
    return [names] if isinstance(names, str) else list(names or [])


def flat_keys(node: Any, prefix: str = "") -> Iterable[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if prefix or key != "hydra":
            yield f"{prefix}{key}"
            yield from flat_keys(value, f"{prefix}{key}.")
