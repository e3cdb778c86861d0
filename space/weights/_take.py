"""Weights from one network into another, wherever they mean the same there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import nn
from torch.nn import functional as F

from blocks.adopted import Adopted
from space.weights._differences import difference, number_of
from space.weights._places import listed
from space.weights._weights import Weights

SHOWN = 8  # groups of places that a summary names


@dataclass(frozen=True)
class Taken:
    """What a network took from a checkpoint: the names of tensors taken as they are, those converted and how, those left as they
    were and why. `part` is the share of the network's parameters, frozen ones too, that was taken or converted."""

    taken: tuple[str, ...]
    converted: Mapping[str, str]
    fresh: Mapping[str, str]
    part: float
    summary: str


@dataclass(frozen=True)
class Verdict:
    """What becomes of one tensor. `place` is the module that decided it, `why` how it was converted or why it stays fresh."""

    value: torch.Tensor | None
    place: str
    why: str = ""


def take(network: nn.Module, weights: Weights) -> Taken:
    """Copy into `network`, in place, whatever of a checkpoint fits.

    A tensor is taken where the checkpoint's network has one of the same name and shape, and where the module that owns it and every
    module around that, up to the networks themselves, are of the same type with the same `extra_repr`: kernels, strides, heads,
    eps. A module's tensors are taken together or not at all. Where a module can adopt what stands at its place in the checkpoint's
    network (`blocks/adopted.py`), or a convolution has the larger kernel, the tensors are converted.
    """
    verdicts = Comparison(network, weights).verdicts()
    with torch.no_grad():
        for name, tensor in network.state_dict(keep_vars=True).items():
            if verdicts[name].value is not None:
                tensor.copy_(verdicts[name].value)
    converted = {name: verdict.why for name, verdict in verdicts.items() if verdict.value is not None and verdict.why}
    fresh = {name: verdict.why for name, verdict in verdicts.items() if verdict.value is None}
    taken = tuple(name for name in verdicts if name not in converted and name not in fresh)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    part = sum(size for name, size in sizes.items() if name not in fresh) / max(sum(sizes.values()), 1)
    return Taken(taken, converted, fresh, part, summary(network, verdicts, sizes=sizes, part=part))


@dataclass
class Comparison:
    """Two networks, module by module."""

    network: nn.Module
    weights: Weights
    plain: dict[str, Verdict] = field(default_factory=dict)
    adopted: dict[str, Verdict] = field(default_factory=dict)

    def verdicts(self) -> dict[str, Verdict]:
        """One for each entry of the network's state, in its order."""
        source = self.weights.network()
        if isinstance(source, type(self.network)) or isinstance(self.network, type(source)):
            self.compare_inside(self.network, source, "")
        else:
            self.leave(self.network, "", f"the checkpoint is of another network, {self.weights.arch.network}")
        found = self.plain | self.adopted
        return {name: found[name] for name in self.network.state_dict()}

    def compare(self, target: nn.Module, source: nn.Module | None, place: str) -> None:
        """`target` and `source` stand at the same place, and all around them is the same."""
        if source is None or self.weights.lacks(place):
            self.leave(target, place, "the checkpoint has none")
            return
        self.adopt(target, source, place)
        if why := difference(target, source):
            self.leave(target, place, why)
            return
        self.compare_inside(target, source, place)

    def compare_inside(self, target: nn.Module, source: nn.Module, place: str) -> None:
        ours, theirs = own(target), own(source)
        together = {name: tensor.shape for name, tensor in ours.items()} == {name: tensor.shape for name, tensor in theirs.items()}
        for name, tensor in ours.items():
            alone = not place and name in theirs and theirs[name].shape == tensor.shape  # a network's own are each a part
            why = "" if together or alone else shapes(tensor, theirs.get(name))
            self.plain[join(place, name)] = Verdict(None if why else theirs[name], place or name, why)
        others = dict(source.named_children())
        for name, child in target.named_children():
            if name not in others and isinstance(target, nn.Sequential | nn.ModuleList):
                self.leave(child, join(place, name), f"the checkpoint has {number_of(source)}")
            else:
                self.compare(child, others.get(name), join(place, name))

    def adopt(self, target: nn.Module, source: nn.Module, place: str) -> None:
        """Conversions, those of an outer module before those of its parts."""
        made: Callable[[nn.Module], Adopted | None] | None = getattr(target, "adopted", None)
        found = made(source) if made else padded_kernel(target, source)
        for name, tensor in (found.tensors if found else {}).items():
            self.adopted.setdefault(join(place, name), Verdict(tensor, place, found.how))

    def leave(self, target: nn.Module, place: str, why: str) -> None:
        for name, _ in chain(target.named_parameters(remove_duplicate=False), target.named_buffers(remove_duplicate=False)):
            self.plain[join(place, name)] = Verdict(None, place or "everything", why)


def own(module: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a module itself, without those of its parts."""
    here = {"recurse": False, "remove_duplicate": False}
    return dict(chain(module.named_parameters(**here), module.named_buffers(**here)))


def join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def shapes(ours: torch.Tensor, theirs: torch.Tensor | None) -> str:
    if theirs is None:
        return "the checkpoint has none"
    same = "has other tensors beside it" if ours.shape == theirs.shape else f"{tuple(theirs.shape)}"
    return f"{tuple(ours.shape)} here, {same} in the checkpoint"


def padded_kernel(target: nn.Module, source: nn.Module) -> Adopted | None:
    """A smaller kernel amid zeros: the same convolution, where both stand with their middle on a position and pad with zeros."""
    if type(target) is not nn.Conv2d or type(source) is not nn.Conv2d or not (centred(target) and centred(source)):
        return None
    alike = ("in_channels", "out_channels", "groups", "padding_mode", "stride")
    if any(getattr(target, name) != getattr(source, name) for name in alike) or own(target).keys() != own(source).keys():
        return None
    margins = [(big - small) // 2 for big, small in zip(target.kernel_size, source.kernel_size, strict=True)]
    if min(margins) < 0 or not any(margins):
        return None
    weight = F.pad(source.weight.detach(), (margins[1], margins[1], margins[0], margins[0]))
    how = f"kernel of {spelled(source.kernel_size)} padded with zeros to {spelled(target.kernel_size)}"
    return Adopted({**own(source), "weight": weight}, how)


def centred(conv: nn.Conv2d) -> bool:
    middle = all(kernel % 2 and pad == kernel // 2 for kernel, pad in zip(conv.kernel_size, conv.padding, strict=False))
    return middle and conv.dilation == (1, 1) and conv.padding_mode == "zeros"


def spelled(sides: Iterable[int]) -> str:
    return "x".join(map(str, sides))


def summary(network: nn.Module, verdicts: Mapping[str, Verdict], *, sizes: Mapping[str, int], part: float) -> str:
    """One line for people: the share, then what was converted and what is fresh, similar places together, large ones first."""
    total = sum(sizes.values())
    amount = f"{total / 1e6:.1f} M" if total >= 1e6 else f"{total / 1e3:.1f} k"
    parts = [f"{int(1000 * part) / 10:g} % of {amount} parameters"]  # rounded down: 100 % is everything
    everywhere = [name for name, _ in chain(network.named_modules(), network.named_parameters())]
    for heading, kept in (("converted", True), ("fresh", False)):
        chosen = {name: v for name, v in verdicts.items() if v.why and (v.value is not None) == kept}
        if texts := list(groups(chosen, sizes, everywhere)):
            rest = f", and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
            parts.append(f"{heading}: {', '.join(texts[:SHOWN])}{rest}")
    return "; ".join(parts)


def groups(verdicts: Mapping[str, Verdict], sizes: Mapping[str, int], everywhere: Iterable[str]) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    weight: dict[str, int] = {}
    for name, verdict in verdicts.items():
        places.setdefault(verdict.why, []).append(verdict.place)
        weight[verdict.why] = weight.get(verdict.why, 0) + sizes.get(name, 0)
    for why in sorted(places, key=weight.__getitem__, reverse=True):
        yield f"{' and '.join(listed(places[why], everywhere))} ({why})"
