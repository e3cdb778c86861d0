"""Memory that stays with the process while forwards are timed.

The C library returns freed memory to the system by rules of its own, which depend on all that the process has allocated before.
One and the same network then pays for thousands of page faults in every forward or for none, by chance. A process that does
nothing but infer soon keeps its memory; so does ours while it measures.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""Parameters of mallopt, as malloc.h numbers them."""

KEPT = ((TRIM_THRESHOLD, -1), (MMAP_MAX, 0))
"""Nothing goes back to the system, whatever its size."""

USUAL = ((TRIM_THRESHOLD, 2**26), (MMAP_MAX, 2**16), (MMAP_THRESHOLD, 2**25))
"""Where glibc's own, moving thresholds end after large allocations; once set they no longer move."""


@contextmanager
def kept_memory() -> Iterator[None]:
    """Of the whole process, and where the C library is glibc; elsewhere nothing changes. What is free afterwards is given back."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt"):
        yield
        return
    for parameter, value in KEPT:
        library.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in USUAL:
            library.mallopt(parameter, value)
        library.malloc_trim(0)
