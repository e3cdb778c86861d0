"""What Ray would print, collect and write by itself: off, or in a file."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = {  # read by Ray when it starts
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # trials stay in the folder of the command: data.root may be relative to it
    "RAY_memory_monitor_refresh_ms": "0",  # its kills end Tune itself; the kernel's take one worker, which is tried again
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_RESULT_BUFFER_LENGTH": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "0",
}


@contextmanager
def logs_to(path: Path) -> Iterator[None]:
    """Ray's messages go to a file for as long as this lasts; its settings hold for the process and what it starts."""
    os.environ.update(SETTINGS)
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("ray")
    kept = logger.handlers[:], logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = kept
        handler.close()
