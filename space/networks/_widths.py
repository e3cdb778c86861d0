"""Widths of the training proxy, shared by the networks."""

import math

from registry import Option


def scaled(width: int, factor: float, unit: int = 8) -> int:
    """`width` times `factor`, rounded to a multiple of `unit`, at least one."""
    return max(unit, round(width * factor / unit) * unit)


def unit_of(*mixers: Option) -> int:
    """The least number of channels, a multiple of 8, that the heads of all these mixers divide."""
    return math.lcm(8, *(mixer.args.get("heads", 1) for mixer in mixers))
