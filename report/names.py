"""The names that people use for architectures: those of the files in conf/arch that the run's configuration mentions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report.front import Network
from space import Arch

ARCHES = Path(__file__).parents[1] / "conf" / "arch"


def arch_names(conf: Mapping[str, Any]) -> dict[str, str]:
    """Arch id -> name, of the space's baseline and known members, of `search.archs` and of an ablation's ends; members
    from elsewhere keep their id."""
    space, search = conf.get("space", {}), conf.get("search", {})
    listed = [*(search.get("archs") or []), search.get("reference"), search.get("against")]
    mentioned = [space.get("baseline"), *(space.get("known") or []), *listed]
    files = [ARCHES / f"{name}.yaml" for name in mentioned if isinstance(name, str)]
    return {Arch.from_yaml(file).id: file.stem for file in files if file.is_file()}


def called(network: Network, names: Mapping[str, str]) -> str:
    """The name that people use for it, else the beginning of its id."""
    return names.get(network.arch.id, network.id8)
