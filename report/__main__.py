"""Look at a run again, without training: `python -m report results/<space>/<run>`."""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

import report
from evaluators.tables.recorded_space import restore_network
from registry import import_plugins


def main(arguments: list[str]) -> None:
    """Rewrite the report of each run directory and print its front; its plug-ins come first, as its networks may be theirs."""
    parser = argparse.ArgumentParser(prog="python -m report", description=__doc__)
    parser.add_argument("run", nargs="+", type=Path, help="a run directory, results/<space>/<run>")
    for run_dir in parser.parse_args(arguments).run:
        conf = read_conf(run_dir / "config.yaml")
        import_plugins(conf.get("plugins") or [])
        restore_network(conf)
        page = report.write(run_dir)
        print(f"{report.summary(run_dir)}\nReport: {page}")


def read_conf(conf: Path) -> dict[str, Any]:
    """What a run was made with."""
    content = yaml.safe_load(conf.read_text()) if conf.is_file() else None
    return content or {}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
