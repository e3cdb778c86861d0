"""Device names as a configuration spells them."""

import torch


def resolved_device(name: str, where: str) -> str:
    """The torch device that `name` means on this machine: auto is the GPU where there is one.

    ValueError, beginning with `where`, for a spelling that is no device and for a GPU that this machine lacks.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    device = parsed_device(name, where)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"{where}: '{name}' was asked for, but this machine has {torch.cuda.device_count()} CUDA devices")
    return name


def parsed_device(name: str, where: str) -> torch.device:
    """ValueError for a spelling that torch does not know."""
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"{where}: '{name}' is no device; give auto, cpu, cuda or cuda:<number>") from error
