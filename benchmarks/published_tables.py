"""Recorded trainings that others published, as tables that any strategy runs on (docs/tables.md).

    python benchmarks/published_tables.py macro nas-bench-macro_cifar10.json [--to tables]
    python benchmarks/published_tables.py accel anb_dataset_jsons.tar.gz [--to tables]

macro: NAS-Bench-Macro (Su et al. 2021), all 6,561 chains of eight layers, each an inverted residual of two sizes or nothing, on
CIFAR-10 with three seeds; from the folder data of github.com/xiusu/NAS-Bench-Macro. Nothing was timed: its cost is MACs.
accel: Accel-NASBench (Ahmad et al. 2024), 5,120 members of MnasNet's space on ImageNet with a shortened schedule, timed on
accelerators; from the folder anb_dataset of github.com/afzalxo/Accel-NASBench.
"""

import argparse
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

BLOCKS = {"0": "identity", "1": "mb3_k3", "2": "mb6_k5"}
DEVICES = {"zcu102_ms": "latency_zcu102", "vck190_ms": "latency_vck190"}  # column: name there, in milliseconds
SPEEDS = {"a100_ms": "throughput_a100", "rtx3090_ms": "throughput_3090"}  # an image's share of a batch, from images a second


def macro(file: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row for each architecture: a block for each of the eight layers, and the accuracy of each seed in percent."""
    rows = []
    for blocks, found in json.loads(file.read_text()).items():
        layers = {f"layer{place}": BLOCKS[block] for place, block in enumerate(blocks)}
        scores = {f"accuracy_seed{seed}": score for seed, score in enumerate(found["test_acc"])}
        rows.append({**layers, **scores, "params_m": found["params"] / 1e6, "macs_g": found["flops"] / 1e9})
    if not rows:
        raise KeyError("no architecture")
    frame = pd.DataFrame(rows)
    rungs = [{"epochs": 1, "accuracy": [name for name in frame if name.startswith("accuracy")]}]
    return frame, {"choices": ["layer*"], "rungs": rungs, "measurements": {"macs_g": "macs_g", "params_m": "params_m"}}


def accel(file: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One row for each training: expansion, kernel, layers and squeeze-and-excitation of seven stages, and its top-1 in percent.
    Those that were not measured on every device are left out."""
    rows = []
    with tarfile.open(file) as archive:
        for entry in archive:
            if entry.isfile() and entry.name.endswith(".json"):
                rows.append(_accelerated(json.load(archive.extractfile(entry))))
    if not rows:
        raise KeyError("no *.json")
    frame = pd.DataFrame(rows).dropna()
    choices = [name for name in frame if name.startswith("block")]
    frame["seed"] = frame.groupby(choices).cumcount()  # a few were trained twice
    measurements = {"latency_ms": "a100_ms", "params_m": "params_m", "macs_g": "macs_g"}
    rungs = [{"epochs": 1, "accuracy": ["top1"], "seconds": "train_s"}]
    return frame, {"choices": ["block*"], "rungs": rungs, "measurements": measurements, "seed": "seed"}


def _accelerated(found: dict[str, Any]) -> dict[str, Any]:
    choices = {
        name: ("se" if value else "plain") if name.endswith("_se") else value for name, value in found["architecture"].items()
    }
    devices = found["platform_perf"]
    times = {column: (devices.get(name) or {}).get("latency_mean") for column, name in DEVICES.items()}
    speeds = {column: (devices.get(name) or {}).get("throughput_mean") for column, name in SPEEDS.items()}
    sizes = {"params_m": found["model_info"]["params"], "macs_g": found["model_info"]["macs"] / 1e3}
    trained = {"top1": found["metrics"]["val_top1"], "train_s": found["metrics"]["train_time"]}
    return {**choices, **trained, **sizes, **times, **{column: 1e3 / speed if speed else None for column, speed in speeds.items()}}


TABLES: dict[str, Callable[[Path], tuple[pd.DataFrame, dict[str, Any]]]] = {"macro": macro, "accel": accel}
PUBLISHED = {"macro": "nas-bench-macro_cifar10.json", "accel": "anb_dataset_jsons.tar.gz"}
COSTS = {"macro": "macs_g", "accel": "a100_ms"}
UNREADABLE = (KeyError, TypeError, AttributeError, json.JSONDecodeError, tarfile.TarError, UnicodeDecodeError)


def write(name: str, file: Path, to: Path) -> Path:
    """The table and its mapping in folder `to`. ValueError where the file is not what it was published as."""
    try:
        frame, mapping = TABLES[name](file)
    except UNREADABLE as error:
        raise ValueError(f"{file}: cannot be read as {name}; expected {PUBLISHED[name]}, as --help says where it lies") from error
    written = to / f"{name}.csv.gz"
    (to / "table").mkdir(parents=True, exist_ok=True)
    frame.to_csv(written, index=False)
    content = {"defaults": ["table_schema", "_self_"], "file": str(written.resolve()), **mapping}
    (to / "table" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("file", type=Path, help="as it was published")
    parser.add_argument("--to", type=Path, default=Path("tables"), help="a folder for the table and its mapping; default: tables")
    given = parser.parse_args()
    written = write(given.table, given.file, given.to)
    print(f"Written: {written}, {given.to / 'table' / given.table}.yaml")
    told = f"--config-dir {given.to} --file {written} --latency {COSTS[given.table]}"
    print(f"Compare: python benchmarks/strategies.py --table {given.table} {told} --jobs 2 --skip gp,optuna-gp")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
