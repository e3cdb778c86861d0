"""Latency backends: how a network is run where it is deployed. An option is a file, a frozen dataclass registered by its name.

Contract: `measure(candidate, baseline, input_size) -> Measurements`, both networks on the same device, in turns, so that the
machine's drift cancels in their ratio. A backend that subclasses `Paired` writes `prepare` and `facts` only.
"""

import logging

from evaluators.latency._bench import LatencyBench, check_baseline
from evaluators.latency._paired import SLOWED, CannotRun, Paired, Ready
from registry import Registry, import_siblings

BACKENDS: Registry[type[Paired]] = Registry("latency backend")

__all__ = ["BACKENDS", "SLOWED", "CannotRun", "LatencyBench", "Paired", "Ready", "check_baseline"]

logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # a CUDA toolkit without a GPU is no news to us

import_siblings(__name__)
