"""Widths of the training proxy, shared by the networks."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from registry import Option


def scaled(width: int, factor: float, unit: int = 8) -> int:
    """`width` times `factor`, rounded to a multiple of `unit`, at least one."""
    return max(unit, round(width * factor / unit) * unit)


def unit_of(*mixers: Option) -> int:
    """The least number of channels, a multiple of 8, that the heads of all these mixers divide."""
    return math.lcm(8, *(mixer.args.get("heads", 1) for mixer in mixers))


def widened_stages(stages: Sequence[Any], factor: float) -> dict[str, Any]:
    """`stage1`, `stage2`, ... with `factor` times the channels, each width rounded to a multiple of 8 that its heads divide."""
    dims = [scaled(stage.dim, factor, unit_of(stage.mixer)) for stage in stages]
    return {f"stage{i}": replace(stage, dim=dim) for i, (stage, dim) in enumerate(zip(stages, dims, strict=True), 1)}
