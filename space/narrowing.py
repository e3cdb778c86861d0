"""What a command line that fixes an option leaves standing of the file's template."""

from collections.abc import Mapping
from typing import Any

from space.parse import HOLES
from space.template import Fixed, Group, Hole, Layers, Node, Options, Value


def keep_fixed(narrowed: Any, written: Any) -> Any:
    """`narrowed` with an option that the command line fixed by its name (`mixer=attention`) given the file's fixed arguments.

    Its holes go to their defaults, as the name alone says; what the file fixes (a stage's heads) is a property of the place, not
    a choice, and stays.
    """
    if isinstance(narrowed, str) and isinstance(written, Mapping) and isinstance(written.get(narrowed), Mapping):
        fixed = without_holes(written[narrowed])
        return {"name": narrowed, **fixed} if fixed else narrowed
    if isinstance(narrowed, Mapping) and isinstance(written, Mapping):
        return {key: keep_fixed(value, written.get(key)) for key, value in narrowed.items()}
    return narrowed


def without_holes(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that leave nothing to choose: values, ties, and of an option written with its name the same."""
    kept: dict[str, Any] = {}
    for key, value in arguments.items():
        if not isinstance(value, Mapping) or "tie" in value:
            kept[key] = value
        elif value.keys().isdisjoint(HOLES):
            kept[key] = without_holes(value)
    return kept


def refuse_outside(narrowed: Node, written: Node, *, fixed: str = "") -> None:
    """ValueError where the command line fixed a place at a value that the file's hole does not have.

    `fixed`: the option fixed by its name (`stage1.mixer=attention`) within which the values are its defaults.
    """
    match narrowed, written:
        case Group(), Group():
            for key, node in narrowed.nodes.items():
                refuse_outside(node, written.nodes[key], fixed=fixed)
        case Fixed(), Value():
            _refuse(narrowed.name, narrowed.value, written.hole, fixed)
        case Layers(), Layers():
            if written.hole and not narrowed.hole:
                _refuse(written.hole.name, len(narrowed.items), written.hole, fixed)
            for item, other in zip(narrowed.items, written.items, strict=False):
                refuse_outside(item, other, fixed=fixed)
        case Options(), Options():
            if written.hole and not narrowed.hole:
                option = next(iter(narrowed.bodies))
                _refuse(narrowed.name, option, written.hole, fixed)
                fixed = fixed or f"{narrowed.name}={option}"
            for name in narrowed.bodies.keys() & written.bodies.keys():
                refuse_outside(narrowed.bodies[name], written.bodies[name], fixed=fixed)


def _refuse(name: str, value: Any, hole: Hole, fixed: str) -> None:
    if value in hole.options:
        return
    allowed = ", ".join(map(str, hole.options))
    if fixed:
        place, _, option = fixed.partition("=")
        raise ValueError(
            f"{fixed}: this sets {name} to its default {value}, which the file does not list ({allowed}). "
            f"Say {place}.choice=[{option}] and, if you like, fix {name} too"
        )
    raise ValueError(
        f"{name}: given {value!r}; allowed: {allowed}. To go beyond the file, give a list or a range: choice=[...], int=[low,high]"
    )
