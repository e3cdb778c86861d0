"""Seeds: every random draw of a trial follows from its seed and its place, none from what this process did before."""

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def derived(*place: int | str) -> int:
    """A 63-bit seed for a place, as in derived(seed, "order", epoch): the same in every process, unrelated for any two places."""
    return int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8], "big") >> 1


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` inside; the generators of CPU and current GPU are afterwards as they were."""
    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    with torch.random.fork_rng([torch.cuda.current_device()] if on_gpu else []):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def seeded_cpu(seed: int) -> Iterator[None]:
    """The same for the CPU generator alone, cheap enough for each sample."""
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
