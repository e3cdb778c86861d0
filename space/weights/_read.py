"""Checkpoint files: what is in them, and which source they come from."""

import argparse
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from space.weights._weights import SOURCES, Weights

WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Keys under which training scripts put a network's state; a moving average goes before what it is the average of."""

PREFIXES = ("module.", "_orig_mod.")
"""What data parallel training and compilation put before every name."""

UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    KeyError,
    IndexError,
    AttributeError,
    ValueError,
    pickle.UnpicklingError,
    SafetensorError,
)


def read(path: str | Path) -> Weights:
    """The weights in a checkpoint file: safetensors by its ending, anything else as torch.save wrote it.

    ValueError where there is no such file, where it is not readable, of no known source, or not what its names promise.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a checkpoint was looked for here, from {Path.cwd()}")
    content = _content(path)
    for layer in _layers(content):
        for name in SOURCES:
            if SOURCES[name].recognises(layer):
                return _converted(path, name, layer)
    shown = ", ".join(f"'{name}'" for name in list(_innermost(content))[:3])
    raise ValueError(f"{path}: of no known source; known: {', '.join(SOURCES)}; it begins with the entries {shown or '(none)'}")


def _converted(path: Path, source: str, content: Mapping[str, Any]) -> Weights:
    """The network is built here already, so that a file which does not fit together is refused before a search begins."""
    try:
        weights = SOURCES[source].convert(content)
        weights.network()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return weights


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if isinstance(error, pickle.UnpicklingError):  # torch's own advice is to run what the file holds
            reason = "no checkpoint, or one that holds more than tensors and plain data: then save its state dict alone"
        raise ValueError(f"{path}: not readable as a checkpoint ({reason})") from None
    if not isinstance(content, Mapping):
        raise ValueError(
            f"{path}: holds a {type(content).__name__}; allowed: a state dict, by itself or under {', '.join(WRAPPERS)}"
        )
    return content


def _unpickled(path: Path) -> Any:
    """Tensors and plain data only. Namespace is the arguments of a training script, as timm's puts them beside its weights; YOLOX's
    puts its best score there, a number of numpy. What torch wrote before its version 1.6 is no zip file and cannot be mapped into
    memory."""
    numbers = [type(np.dtype(name)) for name in ("float64", "float32", "int64")]
    scalar = np.float64(0).__reduce__()[0]
    allowed = [argparse.Namespace, np.dtype, *numbers, scalar, (scalar, "numpy.core.multiarray.scalar")]
    with torch.serialization.safe_globals(allowed):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _layers(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The content, and what its wrappers hold, without prefixes."""
    content = _without_prefix(content)
    yield content
    for key in WRAPPERS:
        if isinstance(inner := content.get(key), Mapping) and inner:
            yield from _layers(inner)


def _without_prefix(content: Mapping[str, Any]) -> Mapping[str, Any]:
    for prefix in PREFIXES:
        if content and all(isinstance(name, str) and name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): value for name, value in content.items()}
    return content


def _innermost(content: Mapping[str, Any]) -> Mapping[str, Any]:
    *_, last = _layers(content)
    return last
