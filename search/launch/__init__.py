"""Where trials run. A launcher is a frozen dataclass of its options with one method, `run`; it turns proposals into jobs, and
what a job yields into lines of the log. What is common to all is in `driver.py`; a new launcher is a file here and a yaml in
conf/launch.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from evaluators.api import Evaluate
from registry import Registry, import_siblings
from search.progress import Progress
from search.records import Log
from search.strategy import Strategy
from space import Space


class Launcher(Protocol):
    """Runs trials until the strategy has no more, and returns why it is over.

    Raises `TrialError` after logging a bug, and KeyboardInterrupt with its workers stopped and the log whole.
    """

    def run(self, space: Space, strategy: Strategy, evaluate: Evaluate, log: Log, *, progress: Progress) -> str: ...


def placed(launcher: Any, plugins: Sequence[str], resource: str) -> Any:
    """The launcher with what it ships to workers, and where they measure. ValueError where it has no other place."""
    if resource and not hasattr(launcher, "resource"):
        raise ValueError(f"latency.resource: '{resource}' given, but this launcher has no other machine; allowed with launch=ray")
    known = {"plugins": list(plugins), "resource": resource}
    return replace(launcher, **{name: value for name, value in known.items() if hasattr(launcher, name)})


LAUNCHERS: Registry[type[Launcher]] = Registry("launcher")

import_siblings(__name__)
