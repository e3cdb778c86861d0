"""What options ask of their arguments, said in one way."""

from collections.abc import Sequence


def check_heads(mixer: str, channels: int, heads: int) -> None:
    """ValueError where the channels do not divide into the heads."""
    if heads < 1 or channels % heads:
        raise ValueError(f"mixer {mixer}: {channels} channels do not divide into {heads} heads")


def check_odd(where: str, name: str, side: int) -> None:
    """ValueError where a kernel has no middle: a map would change its size."""
    if side < 1 or side % 2 == 0:
        raise ValueError(f"{where}: {name} is {side}, but must be odd to keep the map's size")


def check_positive(where: str, name: str, value: int) -> None:
    """ValueError where a number is below 1."""
    if value < 1:
        raise ValueError(f"{where}: {name} is {value}, but must be at least 1")


def check_kernels(where: str, kernels: Sequence[int]) -> None:
    """ValueError where there is no kernel, or one without a middle."""
    if not kernels or any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
        raise ValueError(f"{where}: kernels are {list(kernels)}, but must be one or more odd numbers")
