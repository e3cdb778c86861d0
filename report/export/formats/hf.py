"""A folder as Hugging Face's hub lays models out: config.json, model.safetensors, README.md, and the code that loads it."""

import json
from pathlib import Path
from typing import ClassVar

from report.export.formats import EXPORTS, Exported
from report.export.formats.safetensors import checked, write_weights
from report.export.member import Chosen, Member
from space import Arch

MODELLING = '''"""Makes the network of this folder: `from modeling_paredown import load`. Needs paredown."""

import json
from pathlib import Path

from safetensors.torch import load_file

from evaluators.fold import shaped
from space import Arch, build


def load(folder=Path(__file__).parent):
    """The network in evaluation mode; config.json says how to normalise its images."""
    config, state = json.loads((Path(folder) / "config.json").read_text()), load_file(Path(folder) / "model.safetensors")
    size = tuple(config["image_size"])
    network = build(Arch.make(config["network"], config["arch"]), config["num_labels"], image_size=size, width=config["width"])
    network = shaped(network, state)
    network.load_state_dict(state)
    return network.eval()
'''


@EXPORTS.register("hf")
class HubFolder:
    """A folder to upload as it is; nothing is uploaded here."""

    packages: ClassVar[tuple[str, ...]] = ("safetensors",)
    extra: ClassVar[str] = ""
    weights: ClassVar[bool] = True

    def write(self, found: Chosen, member: Member | None, folder: Path) -> Exported:
        hub = folder / "hf"
        hub.mkdir(exist_ok=True)
        config, code = hub / "config.json", hub / "modeling_paredown.py"
        config.write_text(json.dumps(configuration(member), indent=2) + "\n")
        code.write_text(MODELLING)
        path, read_back = write_weights(member, hub), json.loads(config.read_text())
        apart = {"loaded again": checked(member, Arch.make(read_back["network"], read_back["arch"]), path)}
        return Exported((config, path, code), apart, card=hub)


def configuration(member: Member) -> dict[str, object]:
    """config.json: all that building the network and feeding it takes."""
    return {
        "model_type": "paredown",
        "network": member.arch.network,
        "arch": dict(member.arch.arch),
        "arch_id": member.arch.id,
        "num_labels": member.classes,
        "id2label": dict(enumerate(member.class_names)),
        "image_size": list(member.input_size),
        "width": member.width,
        "pixels": member.pixels,
    }
