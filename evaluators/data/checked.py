"""What a check of a data set's files found, remembered for this user, so that the next run of an unchanged one starts at once."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
CHUNK = 32


def remembered(find: Callable[[], Any], files: Iterable[Path], *, facts: Any) -> Any:
    """What `find` returns (a value that JSON can hold) or, where the paths, sizes and times of `files` and the `facts` are those of
    an earlier call, what it returned then. What it raises is not remembered."""
    stamp = cache_folder() / f"{fingerprint(files, facts)}.json"
    if stamp.is_file():
        return json.loads(stamp.read_text())
    found = find()
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        part = stamp.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(found))
        part.replace(stamp)
    except OSError:
        pass  # a read-only home costs the next run this check again, nothing else
    return found


def fingerprint(files: Iterable[Path], facts: Any) -> str:
    """A hash of what a check depends on: path, size and time of every file, and the `facts` that it judges them by."""
    digest = hashlib.sha1(repr(facts).encode())
    for path in files:
        status = path.stat()
        digest.update(f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where this user's checks are remembered."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paredown" / "checked"


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """function(item) of every item, in order, by threads; in chunks, since a future for each of a million files is much memory."""
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return [result for results in pool.map(lambda chunk: [function(item) for item in chunk], chunks) for result in results]
