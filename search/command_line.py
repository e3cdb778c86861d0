"""What a command line says, read as text: the name of its run, the folders and keys it mentions.

The name is the same for the same search, so that the same command goes on with it.
"""

import argparse
import difflib
import hashlib
import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml

from registry import nearest

WHAT = ("space", "table", "table.file")
"""What is searched: the folder above the run says it already."""

HOW_LONG = ("search.trials", "search.budget", "search.until", "search.most", "search.reuse", "search.dry")
"""Keys that say how long a search goes on and what it need not train again."""

NOT_THE_RUN = ("run", "launch", "hydra", "results", *HOW_LONG)
"""Beginnings of overrides that do not name a run: where it is, how long it goes on and what launches it."""


def run_name(overrides: Iterable[str]) -> str:
    """A readable name: a slug of the overrides that matter, and eight digits of their hash."""
    kept = sorted(item for item in overrides if key_of(item) not in WHAT and not key_of(item).startswith(NOT_THE_RUN))
    if not kept:
        return "default"
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", "_".join(item.lstrip("+~") for item in kept)).strip("-")[:60].rstrip("-._")
    return f"{slug}-{hashlib.sha1(chr(10).join(kept).encode()).hexdigest()[:8]}"


class Parser(argparse.ArgumentParser):
    """Flags of a command of its own. What it does not know is a ValueError with the nearest name, as everywhere else."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Called by whichever way of parsing a command takes."""
        args = sys.argv[1:] if args is None else list(args)
        flags = list(self._option_string_actions)
        for item in args[: args.index("--") if "--" in args else None]:
            flag = item.partition("=")[0]
            if re.match(r"--?[A-Za-z]", flag) and not any(known.startswith(flag) for known in flags):
                known = [name for name in flags if name not in ("-h", "--help")]
                raise ValueError(f"{flag}: unknown flag; {nearest(flag, known) if known else 'this command takes none'}")
        return super().parse_known_args(args, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise ValueError(f"{action.dest}: '{value}'; {nearest(str(value), [str(choice) for choice in action.choices])}")

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} ({self.prog} --help)")


def key_of(override: str) -> str:
    """The dotted key or the group that an override sets."""
    return override.split("=", 1)[0].lstrip("+~").split("@", 1)[0]


def space_named(overrides: Iterable[str]) -> str:
    """The space that a command of its own is given as an override. ValueError where there is none."""
    name = next((item.split("=", 1)[1] for item in overrides if key_of(item) == "space" and "=" in item), "")
    if not name:
        raise ValueError("no space was named; expected +space=<name>, as in +space=segformer")
    return name


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


def about_unknown(key: str, text: str, known: list[str]) -> str:
    """Hydra's message about a key that could not be set, with the nearest known one or those beside it."""
    if key in known and "{" in text:
        return f"{key}: given a mapping; allowed: one value or list. Set its parts one by one: {key}.<part>=..."
    parent = key.rpartition(".")[0]
    beside = [name.rpartition(".")[2] for name in known if parent and name.rpartition(".")[0] == parent]
    guess = difflib.get_close_matches(key, known, n=1, cutoff=0.6) if key not in known else []
    said = [text.splitlines()[0] if guess or beside else text]
    said += [f"Known in {parent}: {', '.join(beside)}."] if beside else []
    return "\n".join([*said, *(f"Did you mean '{name}'?" for name in guess)])


def spelled_out(overrides: Iterable[str]) -> Iterator[str]:
    """Overrides with latency=[a,b] as Hydra takes it: it would merge the two into one, so each further one goes to latency.also."""
    for item in overrides:
        names = re.split(r"\s*,\s*", found[1].strip()) if (found := re.fullmatch(r"latency=\[([\w\s,]+)\]", item)) else []
        if len(set(names)) < len(names):
            raise ValueError(f"{item}: a backend is named twice; allowed: each once")
        yield from [f"latency={names[0]}", *(f"+latency@latency.also.{name}={name}" for name in names[1:])] if names else [item]


def plugins_named(arguments: list[str], conf: Path) -> list[str]:
    """The plug-ins of a command line, read before Hydra parses it: `plugins=[a,b]`, or `plugins:` in the chosen
    experiment, of `conf` or of a folder that the command line adds."""
    folders = [conf, *config_dirs(arguments)]
    named: list[str] = []
    for item in arguments:
        key, _, value = item.partition("=")
        if key.lstrip("+") == "plugins":
            named += listed(yaml.safe_load(value.replace(",", ", ")))
        elif key.lstrip("+") == "experiment":
            for path in (folder / "experiment" / f"{value}.yaml" for folder in folders):
                if path.is_file():
                    with path.open() as file:  # so that a yaml error names it
                        named += listed((yaml.safe_load(file) or {}).get("plugins"))
    return named
