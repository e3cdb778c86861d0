"""A network as a program of torch.export (.pt2), checked by running the file before anything else may use it."""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from evaluators.formats.agreement import agreed, arrays, eager, probe
from evaluators.formats.onnx import NotExportable, captured, quiet

FORM = "a torch.export program"


def export_program(module: nn.Module, input_size: Sequence[int], path: Path, *, batch_size: int | None = None) -> float:
    """Write `module` for images of (batch, 3, *input_size) to `path`; returns how far its outputs are from the eager network's.

    batch_size: None is any; the check then runs another size than was traced. NotExportable: its graph cannot be captured.
    Disagrees: the file computes something else. Where either is raised no file is left.
    """
    network = copy.deepcopy(module).eval().to(device="cpu", dtype=torch.float32)
    try:
        with quiet():
            try:
                torch.export.save(captured(network, input_size, batch_size), path)
            except NotExportable as error:
                raise NotExportable(error.why, operator=error.operator, where=error.where, form=FORM) from error
            image = probe(input_size, batch_size or 3)
            with torch.inference_mode():
                found = arrays(load_program(path)(image))
        return agreed(eager(module, image), found)
    except ValueError:
        path.unlink(missing_ok=True)
        raise


def load_program(path: Path) -> nn.Module:
    """The program in a file, ready to be called with images on the CPU."""
    return torch.export.load(path).module()
