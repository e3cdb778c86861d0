"""Latency of the network as PyTorch runs it, eagerly."""

import copy
import timeit
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.utils import benchmark

from evaluators.latency import BACKENDS
from evaluators.latency._deployed import Deployed
from evaluators.latency._paired import Forward


@BACKENDS.register("torch")
@dataclass(frozen=True, kw_only=True)
class Torch(Deployed):
    """Eager PyTorch: eval, inference mode, channels-last on CUDA, cuDNN choosing its kernels during the warm-up.

    precision: `fp32` (PyTorch's own settings: cuDNN may use TF32 in convolutions), `bf16` or `fp16` (weights and input).
    """

    backend: ClassVar[str] = "torch"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16", "fp16")

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        device, dtype = self.resolved_device, self.dtype
        layout = torch.channels_last if device != "cpu" else torch.preserve_format  # on a CPU as the network lays itself out
        network = copy.deepcopy(module).eval().to(device=device, dtype=dtype, memory_format=layout)
        image = self.image(input_size).to(device=device, dtype=dtype).to(memory_format=layout)
        return lambda: network(image)

    def clock(self) -> Callable[[], float]:
        """torch's benchmark timer, which waits for the device first; on a CPU the plain clock (it would wake an idle GPU)."""
        return timeit.default_timer if self.resolved_device == "cpu" else benchmark.timer

    def conditions(self) -> AbstractContextManager[object]:
        return _conditions(self.resolved_threads)


@contextmanager
def _conditions(threads: int) -> Iterator[None]:
    with benchmark.set_torch_threads(threads), torch.backends.cudnn.flags(enabled=True, benchmark=True), torch.inference_mode():
        yield
