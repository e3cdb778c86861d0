"""What a run was made with: the versions, the machine and the code. Written into the log each time a run starts or goes on."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

LIBRARIES = ("torch", "torchvision", "timm", "torchmetrics", "fvcore", "ptflops", "optuna", "ray", "hydra-core", "numpy")


def environment(command: str) -> dict[str, object]:
    """Versions by library, the device's name, the git commit of the code (with `+changes` where the checkout was edited)."""
    return {
        "command": command,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "commit": commit(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor() or "cpu")


def commit() -> str:
    """The commit of this checkout, or '' where the code does not lie in one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
