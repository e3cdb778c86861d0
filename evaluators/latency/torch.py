"""Latency of the network as PyTorch runs it, eagerly."""

import copy
import gc
import timeit
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.utils import benchmark

from evaluators.latency import BACKENDS
from evaluators.latency._deployed import Deployed
from evaluators.latency._paired import Forward, Stopwatch


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

    def stopwatch(self, forward: Forward) -> Stopwatch:
        if self.on_cuda:
            return Events(forward)
        if torch.device(self.resolved_device).type == "cpu":
            return super().stopwatch(forward)
        return timeit.Timer(forward, timer=benchmark.timer).timeit  # waits for the accelerator

    @contextmanager
    def conditions(self) -> Iterator[None]:
        here = torch.cuda.device(self.resolved_device) if self.on_cuda else nullcontext()  # events and graphs belong to one GPU
        threads, chosen = (
            benchmark.set_torch_threads(self.resolved_threads),
            torch.backends.cudnn.flags(enabled=True, benchmark=True),
        )
        with here, threads, chosen, torch.inference_mode():
            yield

    @property
    def on_cuda(self) -> bool:
        return torch.device(self.resolved_device).type == "cuda"


class Events:
    """A stopwatch by the GPU's own clock: an event before each forward and one after it, waited for before the next one starts.

    So a forward is what one image waits for: from an idle GPU to the last kernel's end, launching included where the CPU is the
    slower of the two. Forwards queued behind one another would hide that, and show throughput.
    """

    def __init__(self, forward: Forward):
        self.forward = forward
        self.start, self.end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def __call__(self, number: int) -> float:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return sum(self._once() for _ in range(number))
        finally:
            if collecting:
                gc.enable()

    def _once(self) -> float:
        torch.cuda.synchronize()
        self.start.record()
        self.forward()
        self.end.record()
        self.end.synchronize()
        return self.start.elapsed_time(self.end) / 1e3
