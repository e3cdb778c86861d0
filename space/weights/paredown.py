"""Checkpoints of our own trials, which say what network they are of."""

from collections.abc import Mapping
from typing import Any

from space.arch import Arch
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "paredown"
MADE = ("network", "arch", "classes", "image_size", "width")


def recognises(content: Mapping[str, Any]) -> bool:
    return isinstance(content.get("made"), Mapping) and "state" in content


def convert(content: Mapping[str, Any]) -> Weights:
    """A finished rung of a trial (`rung_<k>.pt`) or what it left for others: what was scored, that is the best epoch or the moving
    average where there is one, else the network itself. A lower rung has given its weights up to a later one."""
    made, state = content["made"], content["state"]
    if absent := [key for key in MADE if key not in made]:
        raise ValueError(f"{SOURCE}: it does not say what network it is of; missing in 'made': {', '.join(absent)}")
    tensors = (state.get("average") or state.get("network")) if isinstance(state, Mapping) else None
    if not tensors:
        raise ValueError(f"{SOURCE}: holds measurements but no weights; those are in the file of the trial's last rung")
    return Weights(
        SOURCE,
        Arch.make(made["network"], made["arch"]),
        int(made["classes"]),
        (int(made["image_size"][0]), int(made["image_size"][1])),
        tensors,
        float(made["width"]),
    )


SOURCES.register(SOURCE)(Source(recognises, convert))
