"""What the backends have in common that run a network on a named device, in a precision, on a number of threads."""

import importlib
import importlib.util
import os
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch

from evaluators.api import Measurements
from evaluators.device import parsed_device, resolved_device
from evaluators.environment import cpu_name
from evaluators.latency._paired import Paired
from registry import nearest

OWN = "latency_option_"
"""How the facts begin that are a backend's own options."""

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Deployed(Paired):
    """device: `auto` (the GPU where there is one and the backend can use it), `cpu`, `cuda`, `cuda:1` ... precision: one of
    `precisions`. threads: of the CPU; 0 is every core this process may use, whatever the launcher set.

    A backend names itself, its packages and the extra of pyproject.toml that installs them.
    """

    backend: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)

    device: str = "auto"
    precision: str = "fp32"
    threads: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in self.precisions:
            known, hint = nearest(self.precision, list(self.precisions)), ""
            if self.precision.replace(".", "", 1).isdigit():
                hint = f" How narrow an interval has to be is latency.width (its full width: {2 * float(self.precision):g})."
            raise ValueError(f"latency.precision: unknown precision '{self.precision}' of {self.backend}; {known}{hint}")
        if self.threads < 0:
            raise ValueError(f"latency.threads is {self.threads}; it has to be 0 (every core) or more")
        if self.device != "auto":
            parsed_device(self.device, "latency.device")

    @property
    def missing(self) -> list[str]:
        """The packages that this backend needs and that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def check_here(self) -> None:
        """ValueError where this machine lacks the backend's packages, the device or the arithmetic."""
        if self.missing:
            given = f"latency: {self.backend} needs {', '.join(self.missing)}, not installed here"
            raise ValueError(f"{given}; pip install 'paredown[{self.extra}]'")
        self.check_device(self.resolved_device)

    def check_device(self, device: str) -> None:
        """ValueError where the backend cannot use the device, or not in this precision."""

    @property
    def resolved_device(self) -> str:
        """The device that is meant on this machine, as a torch device string; ValueError for a GPU that it lacks."""
        return resolved_device(self.device, "latency.device")

    @property
    def resolved_threads(self) -> int:
        return self.threads or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and input, where the backend takes them in the precision itself."""
        return DTYPES[self.precision]

    @property
    def options(self) -> dict[str, Any]:
        """What this backend can be set to beside what every one can. It changes what is timed, so all of it is in the key."""
        common = {field.name for field in fields(Deployed)}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in common}

    def facts(self) -> Measurements:
        packages = [torch, *(importlib.import_module(name) for name in self.packages[:1])]
        return {
            "latency_device": device_name(self.resolved_device),
            "latency_backend": self.backend,
            "latency_precision": self.precision,
            "latency_threads": self.resolved_threads,
            "latency_runtime": ", ".join(f"{package.__name__} {package.__version__}" for package in packages),
            **{f"{OWN}{name}": value for name, value in self.options.items()},
        }


def device_name(device: str) -> str:
    """What a reader calls the device: the GPU's product name, the processor's model."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else cpu_name()
