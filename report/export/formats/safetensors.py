"""The weights as safetensors, the architecture beside them, and the lines that make a network of the two."""

from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file, save

from evaluators.fold import shaped
from evaluators.formats.agreement import agreed, eager, probe
from report.export.formats import EXPORTS, Exported
from report.export.formats.arch import FILE as ARCH_FILE
from report.export.formats.arch import write_arch
from report.export.member import Chosen, Member
from space import Arch, build

FILE = "model.safetensors"


@EXPORTS.register("safetensors")
class SafeTensors:
    """One tensor for each entry of the network's state, under its name."""

    packages: ClassVar[tuple[str, ...]] = ("safetensors",)
    extra: ClassVar[str] = ""
    weights: ClassVar[bool] = True

    def write(self, found: Chosen, member: Member | None, folder: Path) -> Exported:
        path, arch_file = write_weights(member, folder), write_arch(found, member, folder)
        return Exported((path, arch_file), {"loaded again": checked(member, Arch.from_yaml(arch_file), path)})


def write_weights(member: Member, folder: Path) -> Path:
    path = folder / FILE
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in member.module.state_dict().items()}
    path.write_bytes(save(state, metadata={"format": "pt", "arch_id": member.arch.id, "classes": str(member.classes)}))
    return path


def checked(member: Member, arch: Arch, path: Path) -> float:
    """How far a network that was made of the files is from the one that they were made of."""
    state = load_file(path)
    with torch.random.fork_rng(devices=[]):
        network = shaped(build(arch, member.classes, image_size=member.input_size, width=member.width), state)
    network.load_state_dict(state)
    image = probe(member.input_size)
    return agreed(eager(member.module, image), eager(network, image))


def loader(member: Member) -> str:
    """The lines that load it, as the model card prints them."""
    width = f", width={member.width:g}" if member.width != 1.0 else ""
    built = f'build(Arch.from_yaml("{ARCH_FILE}"), {member.classes}, image_size={member.input_size}{width})'
    folded = member.folded is not None and bool(member.folded.done)
    lines = [
        "from safetensors.torch import load_file",
        *(["from evaluators.fold import shaped"] if folded else []),
        "from space import Arch, build",
        f'state = load_file("{FILE}")',
        f"network = {f'shaped({built}, state)' if folded else built}.eval()",
        "network.load_state_dict(state)",
    ]
    return "\n".join(lines)
