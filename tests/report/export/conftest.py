"""A run of three small trained networks, with their checkpoints, as a search of seconds would have left it."""

import json

import pytest
import torch
import yaml

from evaluators.checkpoint import Checkpoints
from space import Arch, build

SIZE = 32
CLASSES = 5
CONF = {
    "choices": {"space": "segformer", "task": "segmentation", "data": "scenes", "schedule": "smoke", "latency": "torch"},
    "space": {"network": "segformer", "baseline": "segformer_b0", "known": [], "input_size": [SIZE, SIZE]},
    "task": {"balance": "${schedule.class_balance}"},
    "data": {"train_count": 4, "val_count": 6, "garments": [1, 1], "extent": [0.5, 0.95], "seed": 0},
    "schedule": {"rungs": [1], "image_size": SIZE, "batch_size": 4, "class_balance": 0.5, "distill": {"logits": 1.0}},
    "search": {"objectives": {"miou": "max", "latency_ms": "min"}},
    "latency": {"warmup_s": 0.0, "min_pairs": 2, "max_pairs": 2, "max_s": 0.1, "threads": 1},
    "plugins": [],
}
FREE = {"latency_device": "Example CPU", "latency_runtime": "torch 2.9", "latency_precision": "fp32", "latency_threads": 1}


def small(width, *, mixer="pool", fusion="concat"):
    stage = {"depth": 1, "embed": "conv", "mixer": mixer, "ffn": {"name": "mix", "norm": "batchnorm"}}
    stages = {f"stage{i}": {**stage, "dim": width} for i in range(1, 5)}
    return Arch.make("segformer", {"norm_layout": "v2", **stages, "decoder": {"fusion": fusion, "width": width}})


TRIALS = ((small(16), 0.30, 30.0), (small(12), 0.28, 15.0), (small(8), 0.10, 10.0))
"""Baseline, knee, and the fastest, each on the front."""


@pytest.fixture
def run_dir(tmp_path):
    """The run, its command as a user would have given it; trial 2 kept no checkpoint."""
    directory = tmp_path / "segformer" / "small"
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(CONF, sort_keys=False))
    events = [{"event": "started", "command": "python run_search.py +space=segformer", "device": "Example CPU"}]
    for number, (arch, miou, latency) in enumerate(TRIALS):
        asked = {"network": arch.network, "arch": dict(arch.arch)}
        facts = {"trial": number, "continues": None, "id": arch.id, "seed": 0, "rung": 1, "ask_s": 0.0, "arch": asked}
        free = {"params_m": 0.01, "macs_g": 0.001, "latency_ms": latency, "latency_ratio": latency / 30, **FREE}
        events += [
            {"event": "asked", "number": number, **facts},
            {"event": "rung", "number": number, "rung": 0, "measurements": free},
            {"event": "rung", "number": number, "rung": 1, "measurements": {"miou": miou, "pixel_accuracy": 0.5, "loss": 1.0}},
            {"event": "ended", "number": number, "kind": "ok", "reason": ""},
        ]
    (directory / "trials.jsonl").write_text("".join(json.dumps({**event, "at": 1.7e9}) + "\n" for event in events))
    for number in (0, 1):
        keep_weights(directory / "checkpoints" / str(number), TRIALS[number][0])
    return directory


def keep_weights(folder, arch, *, seed=0):
    torch.manual_seed(seed)
    network = build(arch, CLASSES, image_size=(SIZE, SIZE))
    with torch.no_grad():
        network.train()(torch.randn(4, 3, SIZE, SIZE))  # norms that have seen something
    made = {"network": arch.network, "arch": dict(arch.arch), "classes": CLASSES, "image_size": [SIZE, SIZE], "width": 1.0}
    Checkpoints(folder, "key", made).save(1, {"miou": 0.3}, {"network": network.state_dict(), "average": {}})
