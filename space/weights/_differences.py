"""Why a module of one network does not stand for the one at its place in another, in the words of an architecture."""

import re
from functools import cache

from torch import nn

from blocks.activation import ACTIVATION
from blocks.backbone import BACKBONE
from blocks.conv import CONV
from blocks.embed import EMBED
from blocks.ffn import FFN
from blocks.fusion import FUSION
from blocks.head import HEAD
from blocks.join import JOIN
from blocks.kv import KV
from blocks.mixer import MIXER
from blocks.norm import NORM
from blocks.position import POSITION

SLOTS = (ACTIVATION, BACKBONE, CONV, EMBED, FFN, FUSION, HEAD, JOIN, KV, MIXER, NORM, POSITION)


def difference(ours: nn.Module, theirs: nn.Module) -> str:
    """Empty where both are of one type and say the same of themselves (`extra_repr`)."""
    if type(ours) is not type(theirs):
        advice = f"; space.arch.head={noun(theirs)} takes it" if is_head(ours) and is_head(theirs) else ""
        return f"{noun(ours)} here, {noun(theirs)} in the checkpoint{advice}"
    mine, other = parts(ours), parts(theirs)
    if mine == other:
        return ""
    here, there = [item for item in mine if item not in other], [item for item in other if item not in mine]
    return f"{', '.join(here) or 'without it'} here, {', '.join(there) or 'without it'} in the checkpoint"


def parts(module: nn.Module) -> list[str]:
    """The items of an `extra_repr`; those without a name get their position, as sizes of a convolution."""
    items = re.split(r",\s*(?![^(\[]*[)\]])", module.extra_repr())
    return [named(module, i, item) for i, item in enumerate(items) if item]


def named(module: nn.Module, i: int, item: str) -> str:
    if isinstance(module, nn.Conv2d) and i < 2:
        return f"{('in', 'out')[i]}_channels={item}"
    return f"channels={item}" if isinstance(module, nn.BatchNorm2d | nn.LayerNorm) and i == 0 else item


def number_of(source: nn.Module) -> str:
    """What a list of modules in the checkpoint holds."""
    count = len(list(source.children()))
    return f"only {count} there" if count else "none there"


def noun(module: nn.Module) -> str:
    """The option that a module is, else the name of its type."""
    if type(module) is nn.Identity:
        return "none"
    return options().get(type(module), type(module).__name__)


def is_head(module: nn.Module) -> bool:
    return type(module) in [HEAD[name] for name in HEAD]


@cache
def options() -> dict[type, str]:
    return {slot[name]: name for slot in SLOTS for name in slot}
