"""Results of aten's operators on the meta device, quickly.

torch computes many of them by Python code that takes milliseconds (layer norm 2, bilinear upsampling 12), though only a shape
comes of it. What a rule here is not sure of, such as operands that do not fit, goes to torch, which then says what is wrong."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

aten = torch.ops.aten
Quick = Callable[..., Any]


def shaped(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `operator` returns, of the right shape, type and memory format."""
    quick = QUICK.get(operator) if not kwargs else None
    result = quick(*args) if quick else None
    return operator(*args, **kwargs) if result is None else result


def _like(x: Any, *args: Any) -> torch.Tensor | None:
    """An elementwise function of one map and numbers."""
    return torch.empty_like(x) if x.is_meta and x.is_floating_point() else None


def _like_first(x: Any, y: Any, *args: Any) -> torch.Tensor | None:
    """An elementwise function of two maps, the second of which is a number, as large, or broadcast to the first."""
    if not isinstance(x, torch.Tensor) or not x.is_meta or not x.is_floating_point():
        return None
    if isinstance(y, torch.Tensor):
        fits = (
            y.dtype == x.dtype
            and y.dim() <= x.dim()
            and all(b in (1, a) for a, b in zip(x.shape[::-1], y.shape[::-1], strict=False))
        )
        if not fits:
            return None
    return torch.empty_like(x)


def _layer_norm(x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float) -> tuple[torch.Tensor, ...] | None:
    normed = len(shape)
    fits = all(w is None or tuple(w.shape) == tuple(shape) for w in (weight, bias))
    if not fits or tuple(x.shape[-normed:]) != tuple(shape):
        return None
    rows = (*x.shape[:-normed], *(1 for _ in shape))
    whole = torch.empty_like(x, memory_format=torch.contiguous_format)  # whatever the layout of x
    return whole, x.new_empty(rows), x.new_empty(rows)


def _batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *args: Any
) -> tuple[torch.Tensor, ...] | None:
    fits = all(w is None or tuple(w.shape) == (x.shape[1],) for w in (weight, bias, mean, variance))
    if training or mean is None or not fits or not x.is_floating_point():
        return None
    return torch.empty_like(x), x.new_empty(x.shape[1]), x.new_empty(x.shape[1])


def _group_norm(x: Any, weight: Any, bias: Any, batch: int, channels: int, inner: int, groups: int, eps: float) -> Any:
    fits = all(w is None or tuple(w.shape) == (channels,) for w in (weight, bias))
    if not fits or channels % groups or x.numel() != batch * channels * inner:
        return None
    return torch.empty_like(x), x.new_empty(batch, groups), x.new_empty(batch, groups)


def _addmm(bias: Any, x: Any, y: Any) -> torch.Tensor | None:
    fits = x.dim() == y.dim() == 2 and x.shape[1] == y.shape[0] and bias.dim() == 1 and bias.shape[0] == y.shape[1]
    return x.new_empty(x.shape[0], y.shape[1]) if fits and x.dtype == y.dtype == bias.dtype else None


def _softmax(x: Any, dim: int, *args: Any) -> torch.Tensor | None:
    return torch.empty_like(x) if x.is_floating_point() and x.is_contiguous() and -x.dim() <= dim < x.dim() else None


def _upsampled(x: Any, size: Sequence[int], *args: Any) -> torch.Tensor | None:
    if x.dim() != 4 or min(*x.shape, *size) <= 0:
        return None
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    memory = torch.channels_last if last else torch.contiguous_format
    return torch.empty(*x.shape[:2], *size, dtype=x.dtype, device=x.device, memory_format=memory)


def _changed(x: Any, *args: Any) -> Any:
    """An elementwise function that writes over its map."""
    return x if x.is_meta and x.is_floating_point() else None


def _addcmul(x: Any, y: Any, z: Any) -> torch.Tensor | None:
    return torch.empty_like(x) if _like_first(x, y) is not None and _like_first(x, z) is not None else None


ONE = (
    aten.gelu,
    aten.relu,
    aten.silu,
    aten.sigmoid,
    aten.tanh,
    aten.neg,
    aten.exp,
    aten.sqrt,
    aten.clamp_min,
    aten.hardswish,
    aten.hardsigmoid,
    aten.mish,
    aten.leaky_relu,
)
OVER = (aten.relu_, aten.silu_, aten.hardswish_, aten.mish_, aten.leaky_relu_)
TWO = (aten.add, aten.sub, aten.mul, aten.div)
QUICK: dict[Any, Quick] = {
    **{operator.default: _like for operator in ONE},
    **{operator.Tensor: _like_first for operator in TWO},
    **{operator.Scalar: _like_first for operator in TWO},
    **{operator.default: _changed for operator in OVER},
    aten.clamp.default: _like,
    aten.floor_divide.default: _like_first,
    aten.addcmul.default: _addcmul,
    aten.native_layer_norm.default: _layer_norm,
    aten.native_batch_norm.default: _batch_norm,
    aten.native_group_norm.default: _group_norm,
    aten.addmm.default: _addmm,
    aten._softmax.default: _softmax,
    aten.upsample_bilinear2d.default: _upsampled,
    aten.upsample_nearest2d.default: _upsampled,
}
