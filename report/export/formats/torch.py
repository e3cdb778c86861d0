"""A program of torch.export (.pt2), checked by running it at two batch sizes."""

from pathlib import Path
from typing import ClassVar

import torch

from evaluators.formats.agreement import Disagrees, agreed, arrays, eager, probe
from evaluators.formats.onnx import NotExportable
from evaluators.formats.torch_export import export_program, load_program
from report.export.formats import EXPORTS, Exported
from report.export.member import Chosen, Member
from report.export.running import ProgramNetwork

FILE = "model.pt2"


@EXPORTS.register("torch")
class TorchProgram:
    """`torch.export.load(file).module()` runs it without Paredown. For any number of images where the graph allows it, else one."""

    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    weights: ClassVar[bool] = True

    def write(self, found: Chosen, member: Member | None, folder: Path) -> Exported:
        path, module, size = folder / FILE, member.module, member.input_size
        fixed = ""
        try:
            apart = {"3 images": export_program(module, size, path)}
            image = probe(size)
            with torch.inference_mode():
                apart["1 image"] = agreed(eager(module, image), arrays(load_program(path)(image)))
        except (NotExportable, Disagrees) as error:
            fixed = f"one image at a time: for any number of them {error}"
            apart = {"1 image": export_program(module, size, path, batch_size=1)}
        batch_size = 1 if fixed else None
        return Exported((path,), apart, note=fixed, runs=lambda threads: ProgramNetwork(path, module, batch_size=batch_size))
