"""A trial's directory: what a killed process leaves in it."""

import os
import subprocess
import sys

from evaluators.checkpoint import Checkpoints


def test_what_a_killed_process_had_begun_to_write_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone, busy, foreign = (tmp_path / name for name in (f"epoch.part{ended.pid}", f"rung_1.part{os.getpid()}", "rung_1.part"))
    for file in (gone, busy, foreign):
        file.touch()
    kept = Checkpoints(tmp_path, "key")
    assert sorted(file.name for file in tmp_path.iterdir()) == [foreign.name, busy.name]
    kept.save(1, {"miou": 1.0}, {})
    assert kept.find(1).measurements == {"miou": 1.0}
    assert not busy.exists()
