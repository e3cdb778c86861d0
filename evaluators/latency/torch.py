"""Latency of the network as PyTorch runs it, eagerly."""

import copy
import os
import timeit
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils import benchmark

from evaluators.api import Measurements
from evaluators.device import parsed_device, resolved_device
from evaluators.environment import cpu_name
from evaluators.latency import BACKENDS
from evaluators.latency._paired import Forward, Paired
from registry import nearest

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@BACKENDS.register("torch")
@dataclass(frozen=True, kw_only=True)
class Torch(Paired):
    """Eager PyTorch: eval, inference mode, batch 1, channels-last on CUDA, cuDNN choosing its kernels during the warm-up.

    device: `auto` (the GPU where there is one), `cpu`, `cuda`, `cuda:1` ... precision: `fp32` (PyTorch's own settings: cuDNN may
    use TF32 in convolutions), `bf16` or `fp16` (weights and input). threads: of the CPU; 0 is every core this process may use,
    whatever the launcher set.
    """

    device: str = "auto"
    precision: str = "fp32"
    threads: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in DTYPES:
            raise ValueError(f"latency.precision: unknown precision '{self.precision}'; {nearest(self.precision, list(DTYPES))}")
        if self.threads < 0:
            raise ValueError(f"latency.threads is {self.threads}; it has to be 0 (every core) or more")
        if self.device != "auto":
            parsed_device(self.device, "latency.device")

    @property
    def resolved_device(self) -> str:
        """The device that is meant on this machine, as a torch device string; ValueError for a GPU that it lacks."""
        return resolved_device(self.device, "latency.device")

    @property
    def resolved_threads(self) -> int:
        return self.threads or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        device, dtype = self.resolved_device, DTYPES[self.precision]
        layout = torch.channels_last if device != "cpu" else torch.preserve_format  # on a CPU as the network lays itself out
        network = copy.deepcopy(module).eval().to(device=device, dtype=dtype, memory_format=layout)
        image = torch.zeros(1, 3, *input_size, device=device, dtype=dtype).to(memory_format=layout)
        return lambda: network(image)

    def facts(self) -> Measurements:
        return {
            "latency_device": device_name(self.resolved_device),
            "latency_backend": "torch",
            "latency_precision": self.precision,
            "latency_threads": self.resolved_threads,
        }

    def clock(self) -> Callable[[], float]:
        """torch's benchmark timer, which waits for the device first; on a CPU the plain clock (it would wake an idle GPU)."""
        return timeit.default_timer if self.resolved_device == "cpu" else benchmark.timer

    def conditions(self) -> AbstractContextManager[object]:
        return _conditions(self.resolved_threads)


@contextmanager
def _conditions(threads: int) -> Iterator[None]:
    with benchmark.set_torch_threads(threads), torch.backends.cudnn.flags(enabled=True, benchmark=True), torch.inference_mode():
        yield


def device_name(device: str) -> str:
    """What a reader calls the device: the GPU's product name, the processor's model."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else cpu_name()
