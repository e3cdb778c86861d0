"""Why a graph could not be captured: the operator whose result depends on what the image shows, and where the network calls it."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

TORCH = Path(torch.__file__).parent
TAGS = {
    torch.Tag.dynamic_output_shape: "how large its result is depends on what the image shows, and a graph has fixed shapes",
    torch.Tag.data_dependent_output: "the network's own code reads a value that depends on the image, and a graph has none yet",
}


@dataclass(frozen=True)
class Depending:
    """A call of `operator` (`aten.nonzero`), from the network's own code at `frame`."""

    operator: str
    frame: traceback.FrameSummary
    why: str

    @property
    def where(self) -> str:
        return f"{self.frame.name}, {Path(self.frame.filename).name}:{self.frame.lineno} ({self.frame.line})"


class _Noting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Depending] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        why = next((told for tag, told in TAGS.items() if tag in func.tags), "")
        frame = last_own(traceback.extract_stack()) if why else None
        if frame is not None:
            self.found.append(Depending(str(func).rpartition(".")[0], frame, why))
        return func(*args, **(kwargs or {}))


def depending(network: nn.Module, image: torch.Tensor, failed: traceback.FrameSummary | None) -> Depending | None:
    """The call that capturing failed over: the one in the function of the line it `failed` at, else the first. None where there is
    none, or where the network does not run at all."""
    noting = _Noting()
    try:
        with torch.no_grad(), noting:
            network(image)
    except Exception:  # what it says of itself without a graph is another matter
        return None
    same = [call for call in noting.found if failed and (call.frame.filename, call.frame.name) == (failed.filename, failed.name)]
    return next(iter([*same, *noting.found]), None)


def last_own(frames: Sequence[traceback.FrameSummary]) -> traceback.FrameSummary | None:
    """The innermost frame that is neither torch's nor of this package: the network's own line."""
    own = [f for f in frames if not Path(f.filename).is_relative_to(TORCH) and Path(f.filename).parent != Path(__file__).parent]
    return own[-1] if own else None
