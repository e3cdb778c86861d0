"""Latency of the network as torch.compile makes it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from evaluators.latency import BACKENDS
from evaluators.latency._paired import CannotRun, Forward
from evaluators.latency.torch import Torch
from registry import nearest

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")

FORMS = 128
"""Of one function: more than any network of ours has blocks."""


@BACKENDS.register("torch_compile")
@dataclass(frozen=True, kw_only=True)
class TorchCompile(Torch):
    """As `torch`, the network compiled before it is timed; what cannot be traced runs eagerly between two compiled parts.

    mode: torch.compile's own; `reduce-overhead` and `max-autotune` use CUDA graphs on a GPU. A CPU needs a C++ compiler installed.
    """

    backend: ClassVar[str] = "torch_compile"
    transforms: ClassVar[bool] = True

    mode: str = "default"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in MODES:
            raise ValueError(f"latency.mode: unknown mode '{self.mode}'; {nearest(self.mode, list(MODES))}")

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        """Compiled here, by a first forward: that takes minutes where a network is large."""
        forward = super().prepare(module, input_size)
        compiled = torch.compile(forward, mode=self.mode, dynamic=False)
        try:
            compiled()
        except Exception as error:  # of dynamo, inductor and the C++ compiler, each with types of its own
            if isinstance(error, torch.OutOfMemoryError | MemoryError):
                raise
            raise CannotRun(self.backend, _said(error)) from error
        return compiled

    @contextmanager
    def conditions(self) -> Iterator[None]:
        """Compiled code is kept by the function it comes from, a few forms of each and then silently none: the networks of earlier
        trials share those functions, so they are forgotten, and the blocks of one network may differ."""
        torch.compiler.reset()
        with super().conditions(), torch._dynamo.config.patch(recompile_limit=FORMS):
            yield


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
