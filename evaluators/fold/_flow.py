"""Which layer's output a place reads, read off the network's graph: a fold may only change a layer that nothing else listens to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from evaluators.formats.onnx import captured, quiet

ATEN = torch.ops.aten
LAYERS = (ATEN.conv1d.default, ATEN.conv2d.default, ATEN.conv2d.padding, ATEN.linear.default)
PASSED = (ATEN.contiguous.default, ATEN.clone.default, ATEN.dropout.default, ATEN.to.dtype)
"""Operators that hand every value on at its place. Dropout does: the graph is that of evaluation."""

Layer = nn.Conv1d | nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class Part:
    """Channels `first` to `first` + the layer's own of a map are what `layer` gives, and nothing else reads them."""

    layer: Layer
    first: int


class Flow:
    """A network's graph for one image, and its modules. The graph shares no tensor with the network: modules may be changed."""

    def __init__(self, network: nn.Module, image_size: Sequence[int]):
        with quiet():
            program = captured(network, image_size, batch_size=1)
        self.network, self.nodes = network, list(program.graph.nodes)
        named = program.graph_signature
        self.names = {**named.inputs_to_parameters, **named.inputs_to_buffers}

    def calls(self, operator: Any) -> Iterator[Node]:
        return (node for node in self.nodes if node.op == "call_function" and node.target == operator)

    def owner(self, tensor: Any) -> tuple[str, nn.Module | None]:
        """The module that a parameter or buffer of the graph belongs to; None where something else uses it too."""
        name = self.names.get(getattr(tensor, "name", ""), "").rpartition(".")[0]
        if not name or len(tensor.users) != 1:
            return "", None
        return name, self.network.get_submodule(name)

    def layer(self, node: Node) -> Layer | None:
        """The module that a convolution or linear layer of the graph is."""
        module = self.owner(node.args[1])[1] if node.target in LAYERS else None
        return module if isinstance(module, Layer) else None

    def sources(self, node: Any, channel: int, first: int = 0) -> list[Part] | None:
        """The layers that make the channels (axis `channel`) of what `node` gives, if those alone do and nothing else reads it."""
        if not isinstance(node, Node) or len(node.users) != 1:
            return None
        if node.target in LAYERS:
            layer, axis = self.layer(node), 1 if node.target != ATEN.linear.default else rank(node) - 1
            return [Part(layer, first)] if layer is not None and channel % rank(node) == axis else None
        if node.target == ATEN.cat.default and channel == (node.args[1] if len(node.args) > 1 else 0) % rank(node):
            found: list[Part] = []
            for piece in node.args[0]:
                if (parts := self.sources(piece, channel, first)) is None:
                    return None
                found, first = found + parts, first + piece.meta["val"].shape[channel]
            return found
        before = moved(node, channel)
        return None if before is None else self.sources(node.args[0], before, first)

    def reader(self, node: Node, channel: int) -> Layer | None:
        """The linear layer, or the convolution without a border, that alone reads the channels of what `node` gives."""
        if len(node.users) != 1:
            return None
        user = next(iter(node.users))
        if user.target in LAYERS and user.args[0] is node:
            layer, axis = self.layer(user), 1 if user.target != ATEN.linear.default else rank(node) - 1
            bordered = isinstance(layer, nn.Conv1d | nn.Conv2d) and any(layer._reversed_padding_repeated_twice)
            return layer if layer is not None and channel == axis and not bordered else None
        after = next((axis for axis in range(rank(user)) if moved(user, axis) == channel), None)
        return None if after is None else self.reader(user, after)


def moved(node: Node, channel: int) -> int | None:
    """Which axis of its input an operator puts at `channel`, all values unchanged; None for one that does more than that."""
    if node.target in PASSED:
        return channel
    if node.target == ATEN.permute.default:
        return node.args[1][channel] % rank(node)
    if node.target == ATEN.transpose.int:
        swapped = [axis % rank(node) for axis in node.args[1:3]]
        return swapped[1 - swapped.index(channel)] if channel in swapped else channel
    return None


def rank(node: Node) -> int:
    value = node.meta.get("val")
    return value.ndim if isinstance(value, torch.Tensor) else 0


@torch.no_grad()
def scaled_outputs(part: Part, scale: torch.Tensor, shift: torch.Tensor | None = None) -> None:
    """Make a layer give its output times `scale`, plus `shift`, both one number for each channel of the whole map."""
    layer, count = part.layer, part.layer.weight.shape[0]
    scale = scale[part.first : part.first + count].double()
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.ndim - 1))
    bias = layer.bias.double() * scale if layer.bias is not None else torch.zeros(count, dtype=torch.float64)
    if shift is not None:
        bias = bias + shift[part.first : part.first + count].double()
    layer.weight.copy_(weight)
    if layer.bias is not None or shift is not None:
        layer.bias = nn.Parameter(bias.to(layer.weight.dtype))


@torch.no_grad()
def scaled_inputs(layer: Layer, scale: torch.Tensor, shift: torch.Tensor) -> None:
    """Make a layer read its input times `scale`, plus `shift`, both one number for each channel."""
    weight = layer.weight.double()
    groups = getattr(layer, "groups", 1)
    fitted = [each.double().view(groups, -1).repeat_interleave(weight.shape[0] // groups, dim=0) for each in (scale, shift)]
    fitted = [each.view(*each.shape, *[1] * (weight.ndim - 2)) for each in fitted]  # (out, in / groups, 1, 1)
    added = (weight * fitted[1]).flatten(1).sum(1)
    bias = added if layer.bias is None else layer.bias.double() + added
    layer.weight.copy_(weight * fitted[0])
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype))
