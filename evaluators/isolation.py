"""Training that neither depends on this process's generators and settings nor changes them."""

import contextlib
import warnings
from collections.abc import Iterator

import torch

from evaluators.random_state import seeded


@contextlib.contextmanager
def isolated(threads: int, device: torch.device) -> Iterator[None]:
    """Run with so many threads and, on a GPU, deterministic kernels where there are any; generators and settings are afterwards as
    they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with seeded(0), deterministic() if device.type == "cuda" else contextlib.nullcontext():
            yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic kernels; an operation that has none (the backward of fused attention) runs as it does, and says nothing."""
    before, filled = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    # The filling helps against one's own mistakes: one more kernel for each tensor, a third of the time of a small network's step.
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*deterministic.*", category=UserWarning)
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filled
