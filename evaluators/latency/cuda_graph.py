"""Latency of the network as one CUDA graph: its kernels recorded once and launched together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from evaluators.latency import BACKENDS
from evaluators.latency._paired import CannotRun, Forward
from evaluators.latency.torch import Torch

REHEARSALS = 3
"""Forwards before the recording: cuDNN picks its kernels and libraries allocate what a recording must not."""


@BACKENDS.register("cuda_graph")
@dataclass(frozen=True, kw_only=True)
class CudaGraph(Torch):
    """As `torch` on CUDA, replayed from a graph. Launching costs next to nothing then, which is most of an eager forward of a small
    network at batch size 1. A network that looks at values on the CPU (PET's windows) cannot be recorded."""

    backend: ClassVar[str] = "cuda_graph"
    transforms: ClassVar[bool] = True

    def check_device(self, device: str) -> None:
        if torch.device(device).type != "cuda":
            raise ValueError(f"latency.device: cuda_graph runs on CUDA devices, not on '{device}'; latency=torch runs anywhere")

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        forward, aside, graph = super().prepare(module, input_size), torch.cuda.Stream(), torch.cuda.CUDAGraph()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(REHEARSALS):
                forward()
        torch.cuda.current_stream().wait_stream(aside)
        try:
            with torch.cuda.graph(graph):
                output = forward()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise CannotRun(self.backend, str(error).splitlines()[0]) from error

        def replay() -> object:
            graph.replay()
            return output

        return replay
