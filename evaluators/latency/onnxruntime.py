"""Latency in ONNX Runtime: the network as an ONNX file, on the CPU provider or on CUDA's."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from evaluators.formats.agreement import Disagrees
from evaluators.formats.onnx import INPUT, NotExportable, export_onnx, open_session, quiet
from evaluators.latency import BACKENDS
from evaluators.latency._deployed import Deployed
from evaluators.latency._paired import CannotRun, Forward

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
PRECISIONS = {"cpu": ("fp32", "int8"), "cuda": ("fp32", "fp16")}
"""What a provider has arithmetic for: half precision on its CPU would be fp32 with conversions in between."""


@BACKENDS.register("onnxruntime")
@dataclass(frozen=True, kw_only=True)
class OnnxRuntime(Deployed):
    """All of the runtime's graph optimisations, one operator at a time, `threads` within it.

    precision: `fp32`; on CUDA `fp16` (weights and arithmetic, the input stays fp32); on a CPU `int8`: dynamic, that is weights of
    convolutions and matrix products in eight bits, activations scaled as they come.
    """

    backend: ClassVar[str] = "onnxruntime"
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnx", "onnxscript")
    extra: ClassVar[str] = "onnxruntime"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")
    transforms: ClassVar[bool] = True
    keeps: ClassVar[bool] = True

    @property
    def resolved_device(self) -> str:
        """As torch's, but `auto` is a GPU only where this build of the runtime can use it."""
        return "cpu" if self.device == "auto" and not _has("cuda") else super().resolved_device

    def check_device(self, device: str) -> None:
        kind = torch.device(device).type
        if kind not in PROVIDERS or not _has(kind):
            given = f"latency.device: onnxruntime as installed here does not run on '{device}', but on cpu"
            raise ValueError(f"{given}; for CUDA: pip install onnxruntime-gpu")
        if self.precision not in PRECISIONS[kind]:
            allowed = ", ".join(PRECISIONS[kind])
            given = f"latency.precision: {self.precision} does not run in onnxruntime on '{device}'"
            raise ValueError(f"{given}; allowed there: {allowed}")

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        with tempfile.TemporaryDirectory(prefix="paredown-") as folder:
            file = Path(folder) / "network.onnx"
            try:
                export_onnx(module, input_size, file, batch_size=self.batch_size)
                session = self.session(self._converted(file))
            except NotExportable as error:
                raise CannotRun(self.backend, error.why, operator=error.operator, where=error.where) from error
            except Disagrees as error:
                raise CannotRun(self.backend, f"as an ONNX file {error}") from error
        return self.running(session, self.image(input_size))

    def _converted(self, file: Path) -> Path:
        """The file in this backend's precision."""
        converted = file.with_name(f"{self.precision}.onnx")
        if self.precision == "int8":
            from onnxruntime.quantization import QuantType, quantize_dynamic

            # Unsigned: without VNNI a processor's sums of unsigned times signed products saturate, and the outputs are further off.
            with quiet():
                quantize_dynamic(file, converted, weight_type=QuantType.QUInt8)
        elif self.precision == "fp16":
            import onnx
            from onnxruntime.transformers.float16 import convert_float_to_float16

            onnx.save(convert_float_to_float16(onnx.load(file), keep_io_types=True), converted)
        return file if self.precision == "fp32" else converted

    def session(self, file: Path) -> Any:
        """A file as the runtime loads it, on this device with these threads. NotExportable where it does not."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.resolved_threads, 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3  # errors; they are raised as well
        # Between two runs idle threads would spin, and take the cores from the network whose turn it is.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        device = torch.device(self.resolved_device)
        own = {"device_id": device.index or 0} if device.type == "cuda" else {}
        session = open_session(file, options, [(PROVIDERS[device.type], own)])
        if session.get_providers()[0] != PROVIDERS[device.type]:  # it only warns where a provider's libraries do not load
            raise ValueError(f"latency.device: onnxruntime could not start {PROVIDERS[device.type]}; are its CUDA libraries here?")
        return session

    def running(self, session: Any, image: torch.Tensor) -> Forward:
        """One forward of a session on an image. On CUDA input and outputs stay there, as torch's do; a run returns once they are
        written."""
        device = torch.device(self.resolved_device)
        if device.type == "cpu":
            feed = {INPUT: image.numpy()}
            return lambda: session.run(None, feed)
        import onnxruntime

        binding, place = session.io_binding(), (device.type, device.index or 0)
        binding.bind_ortvalue_input(INPUT, onnxruntime.OrtValue.ortvalue_from_numpy(image.numpy(), *place))
        for output in session.get_outputs():
            binding.bind_output(output.name, *place)

        def forward() -> Any:
            session.run_with_iobinding(binding)
            return binding.get_outputs()

        return forward


def _has(kind: str) -> bool:
    """Whether the runtime that is installed here was built for such devices."""
    try:
        import onnxruntime
    except ImportError:
        return False
    return PROVIDERS[kind] in onnxruntime.get_available_providers()
