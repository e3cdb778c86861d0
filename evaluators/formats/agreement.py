"""Whether another form of a network computes what the network computes: the same input through both, and how far they are apart."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

TOLERANCE = {"fp32": 1e-3, "fp16": 0.1, "bf16": 0.25, "int8": None}
"""How far the outputs of a form may be from the fp32 network's, as a share of the largest output, by the form's precision. Sums are
taken in another order, which a deep network amplifies: 1e-5 is usual in fp32, a wrong operator is off by 0.1 and more. Of int8 the
deviation is only recorded: what it costs in accuracy is for the task's metric to tell."""

ROWS = 64
"""So many rows, and no column of theirs is small by chance."""

UNLIKE = 0.1
"""A column below this share of another one's largest value is of another kind: a logit beside a pixel, not beside a logit."""

LEAST = 1e-3
"""A column below this share of its tensor's largest value is compared as if it were so large: what it holds may be rounding."""


class Disagrees(ValueError):
    """A form of a network that computes something else than the network."""


def probe(input_size: Sequence[int], batch_size: int = 1) -> torch.Tensor:
    """Noise of (batch_size, 3, *input_size), always the same: zeros would hide what a wrong layout does."""
    return torch.randn(batch_size, 3, *input_size, generator=torch.Generator().manual_seed(0))


def settled(module: nn.Module, image: torch.Tensor) -> nn.Module:
    """A copy whose batch norms, where they have seen nothing yet, have seen this image and its mirror image.

    In a network that was never trained a signal vanishes on its way, and all that reaches the outputs are biases: any two forms
    would agree, and the time would be that of denormal numbers.
    """
    network = copy.deepcopy(module).eval().to(device="cpu", dtype=torch.float32)
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats]
    fresh = [part for part in norms if part.num_batches_tracked == 0]
    if not fresh:
        return network
    momenta = [part.momentum for part in fresh]
    for part in fresh:
        part.train()
        part.momentum = 1.0
    with torch.no_grad():
        network(torch.cat([image[:1], image[:1].flip(-1)]))
    for part, momentum in zip(fresh, momenta, strict=True):
        part.momentum = momentum
    return network.eval()


def eager(module: nn.Module, image: torch.Tensor) -> list[numpy.ndarray]:
    """What the network gives as it is deployed: eval, fp32, on the CPU. The caller's network is left as it is."""
    network = copy.deepcopy(module).eval().to(device="cpu", dtype=torch.float32)
    with torch.inference_mode():
        return arrays(network(image))


def arrays(output: Any) -> list[numpy.ndarray]:
    """Every tensor of a network's output, whatever holds them, in the order in which exporters number them; of any library that
    gives its arrays as numpy's."""
    leaves = [leaf.detach().float().cpu() if isinstance(leaf, torch.Tensor) else leaf for leaf in tree_leaves(output)]
    return [leaf if isinstance(leaf, numpy.ndarray) else leaf.numpy() for leaf in leaves if hasattr(leaf, "shape")]


def deviation(expected: Sequence[numpy.ndarray], found: Sequence[numpy.ndarray]) -> float:
    """The largest difference as a share of the largest value of its kind (see `_scales`), the worst of all outputs. Disagrees where
    number or shapes of the outputs differ, or where a value is no number in one of the two only."""
    return _worst(expected, found)[0]


def agreed(expected: Sequence[numpy.ndarray], found: Sequence[numpy.ndarray], precision: str = "fp32") -> float:
    """The deviation; Disagrees where it is more than this precision explains."""
    (apart, where), allowed = _worst(expected, found), TOLERANCE[precision]
    if allowed is not None and apart > allowed:
        off = f"its outputs are off by {apart:.2g} of the largest value"
        raise Disagrees(f"{off}; allowed in {precision}: {allowed:g} ({where})")
    return apart


def _worst(expected: Sequence[numpy.ndarray], found: Sequence[numpy.ndarray]) -> tuple[float, str]:
    """The deviation and where it is."""
    shapes = [tuple(a.shape) for a in expected], [tuple(a.shape) for a in found]
    if shapes[0] != shapes[1]:
        raise Disagrees(f"its outputs have the shapes {shapes[1]}, the network's {shapes[0]}")
    worst, where = 0.0, ""
    for number, pair in enumerate(zip(expected, found, strict=True)):
        right, other = (numpy.asarray(a, dtype=numpy.float64) for a in pair)
        finite = numpy.isfinite(right)
        if not numpy.array_equal(finite, numpy.isfinite(other)):
            raise Disagrees("its outputs are not finite where the network's are, or the other way round")
        right, other = numpy.where(finite, right, 0), numpy.where(finite, other, 0)
        largest, apart = (_by_kind(numpy.abs(values)) for values in (right, right - other))
        shares = apart / _scales(largest)
        if shares.max(initial=0.0) > worst:
            column = f", column {shares.argmax()}" if len(shares) > 1 else ""
            worst, where = float(shares.max()), f"output {number}{column}"
    return worst, where


def _by_kind(values: numpy.ndarray) -> numpy.ndarray:
    """The largest of all values; of rows, (B, N, columns), that of each column, as those of points and boxes hold logits and pixels
    side by side."""
    rows = values.ndim == 3 and values.shape[0] * values.shape[1] >= ROWS
    return values.max((0, 1)) if rows else numpy.array([values.max(initial=0.0)])


def _scales(largest: numpy.ndarray) -> numpy.ndarray:
    """What each column is measured by: the largest value of the columns of its kind. Were it that of the whole, a wrong logit would
    be nothing beside a pixel; were it the column's own, half precision's rounding would be much beside the smallest of many alike.
    """
    largest = numpy.maximum(largest, LEAST * largest.max(initial=0.0))
    scales, current = numpy.ones(len(largest)), 0.0
    for column in numpy.argsort(-largest):
        if not current or largest[column] < UNLIKE * current:
            current = largest[column]
        scales[column] = current or 1.0
    return scales
