"""Exported files as networks, so that the same scoring and timing that measured a trial measures them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from evaluators.formats.agreement import probe
from evaluators.formats.onnx import INPUT
from evaluators.formats.torch_export import load_program
from evaluators.latency import Ready
from evaluators.latency.onnxruntime import OnnxRuntime


class FileNetwork(nn.Module):
    """A file where a network is expected. `batch_size`: the only one that it takes; None is any."""

    def __init__(self, module: nn.Module, *, batch_size: int | None):
        super().__init__()
        self.pixels = getattr(module, "pixels", "imagenet")
        self.batch_size = batch_size

    def __deepcopy__(self, memo: dict[int, Any]) -> "FileNetwork":
        """A session is not copied; nothing in it changes."""
        return self


class ProgramNetwork(FileNetwork):
    """A program of torch.export. It is no submodule: it refuses to be told that this is evaluation."""

    def __init__(self, path: Path, module: nn.Module, *, batch_size: int | None):
        super().__init__(module, batch_size=batch_size)
        self._program = [load_program(path)]

    def forward(self, image: torch.Tensor) -> Any:
        return self._program[0](image)


class OnnxNetwork(FileNetwork):
    """An ONNX file in ONNX Runtime on the CPU. The file gives its tensors in a row; here they are held as `module` holds them."""

    def __init__(self, path: Path, module: nn.Module, input_size: Sequence[int], *, threads: int, batch_size: int | None):
        super().__init__(module, batch_size=batch_size)
        self.session = OnnxRuntime(device="cpu", threads=threads).session(path)
        with torch.no_grad():
            self._leaves, self._held = tree_flatten(module(probe(input_size)))

    def forward(self, image: torch.Tensor) -> Any:
        found = iter(self.session.run(None, {INPUT: image.contiguous().numpy()}))
        leaves = [torch.from_numpy(next(found)) if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        return tree_unflatten(leaves, self._held)


@dataclass(frozen=True, kw_only=True)
class ShippedOnnx(OnnxRuntime):
    """ONNX Runtime, where the candidate is a file already."""

    def ready(self, module: nn.Module, input_size: Sequence[int]) -> Ready:
        if not isinstance(module, OnnxNetwork):
            return super().ready(module, input_size)
        return Ready(self.running(module.session, self.image(input_size)), 0.0)


def in_batches(schedule: Any, network: nn.Module) -> Any:
    """The schedule with batches that the network takes."""
    return replace(schedule, batch_size=getattr(network, "batch_size", None) or schedule.batch_size)
