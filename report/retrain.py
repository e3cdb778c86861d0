"""The command that trains one network of a run by itself."""

import shlex
from pathlib import Path

from report.run import Run


def to_train(run: Run, arch_file: Path | str) -> str:
    """With the run's task, data and input size, by the published recipe; `search=archs` keeps the weights."""
    choices = run.conf.get("choices") or {}
    space = choices.get("space") or run.directory.parent.name
    said = [f"{group}={choices[group]}" for group in ("task", "data") if choices.get(group)]
    root = (run.conf.get("data") or {}).get("root")
    said += [f"data.root={root}"] if root else []
    size = (run.conf.get("space") or {}).get("input_size")
    said += [f"space.input_size=[{','.join(map(str, size))}]"] if size else []
    plugins = run.conf.get("plugins") or []
    said += [f"plugins=[{','.join(plugins)}]"] if plugins else []
    asked = [f"+space={space}", "search=archs", f"search.archs=[{arch_file}]", *said, "schedule=full"]
    return shlex.join(["python", "run_search.py", *asked])
