"""Latency in OpenVINO, on the CPU: the network as an ONNX file, compiled for the processor that it runs on."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from evaluators.formats.agreement import Disagrees
from evaluators.formats.onnx import INPUT, NotExportable, export_onnx
from evaluators.latency import BACKENDS
from evaluators.latency._deployed import Deployed
from evaluators.latency._paired import CannotRun, Forward

HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


@BACKENDS.register("openvino")
@dataclass(frozen=True, kw_only=True)
class OpenVino(Deployed):
    """One stream with all the threads: the runtime's latency mode.

    precision: of the arithmetic, input and weights are given in fp32. bf16 and fp16 are refused where the processor lacks them.
    """

    backend: ClassVar[str] = "openvino"
    packages: ClassVar[tuple[str, ...]] = ("openvino", "onnxruntime", "onnx", "onnxscript")
    extra: ClassVar[str] = "openvino"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16", "fp16")
    transforms: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    @property
    def resolved_device(self) -> str:
        return "cpu" if self.device == "auto" else super().resolved_device

    def check_device(self, device: str) -> None:
        import openvino

        if torch.device(device).type != "cpu":
            raise ValueError(f"latency.device: openvino runs on cpu here, not on '{device}'; allowed: auto, cpu")
        able = {"FP32", *openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")}
        if self.precision.upper() not in able:
            allowed = ", ".join(name for name in self.precisions if name.upper() in able)
            raise ValueError(f"latency.precision: this processor has no arithmetic for {self.precision}; allowed here: {allowed}")

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        import openvino

        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.resolved_threads,
            "INFERENCE_PRECISION_HINT": HINTS[self.precision],
        }
        with tempfile.TemporaryDirectory(prefix="paredown-") as folder:
            file = Path(folder) / "network.onnx"
            try:
                export_onnx(module, input_size, file, batch_size=self.batch_size)
                request = openvino.Core().compile_model(str(file), "CPU", options).create_infer_request()
            except NotExportable as error:
                raise CannotRun(self.backend, error.why, operator=error.operator, where=error.where) from error
            except Disagrees as error:
                raise CannotRun(self.backend, f"as an ONNX file {error}") from error
            except RuntimeError as error:  # the frontend's and the plug-in's; the last line says the operator
                raise CannotRun(self.backend, " ".join(str(error).split()[-40:])) from error
        image = self.image(input_size).numpy()
        return lambda: list(request.infer({INPUT: image}, share_inputs=True).values())
