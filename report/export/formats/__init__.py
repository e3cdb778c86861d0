"""Formats that a network ships in, by the name that `--to` gives. A format is one file here, registered under its file's name.

Whatever holds weights is compared with the network before it counts as written; what a format cannot hold is a ValueError that
names the operator, and no reason for the other formats to stay away.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from torch import nn

from registry import Registry, import_siblings
from report.export.member import Chosen, Member


@dataclass(frozen=True)
class Exported:
    """What was written. `apart`: how far the outputs are from the network's, as a share of the largest, by what was run. `note`:
    what its user must know. `runs`: makes of the file a network that can be scored and timed; None where it is the eager one.
    `card`: a folder of its own that the model card belongs into too."""

    files: tuple[Path, ...]
    apart: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    runs: Callable[[int], nn.Module] | None = None
    card: Path | None = None


class Format(Protocol):
    """`packages` must be installed, by the names of their modules, which `extra` of pyproject.toml installs ('' where it comes with
    Paredown); `weights`: whether it holds any."""

    packages: ClassVar[tuple[str, ...]]
    extra: ClassVar[str]
    weights: ClassVar[bool]

    def write(self, found: Chosen, member: Member | None, folder: Path) -> Exported:
        """Write into `folder`, which exists. `member` is there where `weights` says that it is needed. ValueError, and nothing
        left, where the format cannot hold the network."""


EXPORTS: Registry[type[Format]] = Registry("export format")

import_siblings(__name__)
