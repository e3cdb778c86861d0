"""ONNX, checked in ONNX Runtime at two batch sizes."""

from pathlib import Path
from typing import ClassVar

from evaluators.formats.agreement import Disagrees, agreed, eager, probe
from evaluators.formats.onnx import NEEDS, NotExportable, export_onnx, run_onnx
from report.export.formats import EXPORTS, Exported
from report.export.member import Chosen, Member
from report.export.running import OnnxNetwork

FILE = "model.onnx"


@EXPORTS.register("onnx")
class Onnx:
    """For any number of images where the network's graph allows it, else for one at a time. The images' size is fixed."""

    packages: ClassVar[tuple[str, ...]] = NEEDS
    extra: ClassVar[str] = "onnxruntime"
    weights: ClassVar[bool] = True

    def write(self, found: Chosen, member: Member | None, folder: Path) -> Exported:
        path, module, size = folder / FILE, member.module, member.input_size

        def runs(threads: int) -> OnnxNetwork:
            return OnnxNetwork(path, module, size, threads=threads, batch_size=1 if fixed else None)

        fixed = ""
        try:
            apart = {"3 images": export_onnx(module, size, path)}
            image = probe(size)
            apart["1 image"] = agreed(eager(module, image), run_onnx(path, image.numpy()))
        except (NotExportable, Disagrees) as error:
            fixed = f"one image at a time: for any number of them {error}"
            apart = {"1 image": export_onnx(module, size, path, batch_size=1)}
        return Exported((path,), apart, note=fixed, runs=runs)
