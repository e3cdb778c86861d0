"""The architecture as a yaml: what `search.archs=[...]` names, what conf/arch holds, what a space takes as known."""

from pathlib import Path
from typing import ClassVar

from report.export.formats import EXPORTS, Exported
from report.export.member import Chosen, Member
from report.export.winners import heading

FILE = "arch.yaml"


@EXPORTS.register("arch")
class ArchFile:
    """A file of two keys, network and arch, as the run writes for its whole front."""

    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    weights: ClassVar[bool] = False

    def write(self, found: Chosen, member: Member | None, folder: Path) -> Exported:
        return Exported((write_arch(found, member, folder),))


def write_arch(found: Chosen, member: Member | None, folder: Path) -> Path:
    """The file, also beside weights. Of a folded network it is the architecture that it was folded into."""
    told = heading(found.network, found.comparison) if found.network else f"# Trial {found.trial.number}: {found.trial.kind}\n"
    arch = member.arch if member else found.arch
    if arch != found.arch:
        told += f"# Folded into {arch.id}, which computes the same.\n"
    path = folder / FILE
    path.write_text(told + arch.to_yaml())
    return path
