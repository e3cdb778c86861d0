"""Synthetic run directories: a SegFormer search written event by event, with whatever a test wants to have happened."""

import copy
import json
import random
from pathlib import Path

import pytest
import yaml

from space import Arch

ROOT = Path(__file__).parents[2]
CONF = {
    "space": {"network": "segformer", "baseline": "segformer_b2", "known": ["boostformer"], "input_size": [512, 512]},
    "schedule": {"rungs": [1, 3, 9], "image_size": 64},
    "search": {"objectives": {"miou": "max", "latency_ms": "min"}, "limits": {"params_m": 40.0}, "trials": 40, "seed": 0},
    "plugins": [],
}
FACTS = {
    "command": "python run_search.py +space=segformer search.trials=40",
    "python": "3.11.9",
    "system": "Linux-6.1",
    "device": "Example CPU",
    "commit": "0123456789ab",
    "versions": {"torch": "2.9.0", "timm": "1.0.20"},
    "at": 1.7e9,
}


def arch(name):
    return Arch.from_yaml(ROOT / "conf" / "arch" / f"{name}.yaml")


def variant(rng):
    """The baseline with a few of its choices changed."""
    changed = copy.deepcopy(dict(arch("segformer_b2").arch))
    for stage in rng.sample(["stage1", "stage2", "stage3", "stage4"], rng.randint(1, 3)):
        changed[stage]["mixer"] = rng.choice([{"name": "pool", "size": 3}, {"name": "pool", "size": 5}, {"name": "depthwise"}])
        changed[stage]["depth"] = rng.randint(1, changed[stage]["depth"])
    return Arch.make("segformer", changed)


class RunWriter:
    """Writes a run directory's config.yaml and trials.jsonl."""

    def __init__(self, directory, **search):
        self.directory = directory
        directory.mkdir(parents=True)
        conf = {**CONF, "search": {**CONF["search"], **search}}
        (directory / "config.yaml").write_text(yaml.safe_dump(conf, sort_keys=False))
        self.count = 0
        self.event("started", **FACTS)

    def event(self, kind, /, **facts):
        with (self.directory / "trials.jsonl").open("a") as log:
            log.write(json.dumps({"event": kind, "at": 1.7e9} | facts) + "\n")

    def ask(self, arch, *, seed=0, rung=3, continues=None):
        number, self.count = self.count, self.count + 1
        asked = {"network": arch.network, "arch": dict(arch.arch)}
        trial = number if continues is None else continues
        facts = {"number": number, "trial": trial, "continues": continues, "id": arch.id, "seed": seed, "rung": rung}
        self.event("asked", **facts, ask_s=0.01, arch=asked)
        return number

    def rung(self, number, rung, **measurements):
        self.event("rung", number=number, rung=rung, measurements=measurements)

    def trial(self, arch, *, latency, miou, params=27.46, seed=0, rungs=3, **more):
        """A trial that ended well: rung 0, then `rungs` trained ones, each nearer to `miou`."""
        number = self.ask(arch, seed=seed, rung=rungs)
        self.rung(number, 0, **free(latency, params), **more)
        for rung in range(1, rungs + 1):
            self.rung(number, rung, miou=miou * (1 - 0.2 * (rungs - rung)), pixel_accuracy=0.5 + miou, loss=1 - miou, train_s=9.0)
        self.event("ended", number=number, kind="ok", reason="")
        return number

    def end(self, number, kind, reason):
        self.event("ended", number=number, kind=kind, reason=reason)

    def finish(self, reason="40 trials were trained"):
        self.event("finished", reason=reason)


def free(latency, params):
    """What rung 0 measures."""
    return {
        "params_m": params,
        "macs_g": 62.34 * params / 27.46,
        "latency_ms": latency,
        "latency_low_ms": latency * 0.97,
        "latency_high_ms": latency * 1.04,
        "latency_level": 0.95,
        "latency_ratio": latency / 100,
        "baseline_latency_ms": 100.0,
        "latency_disturbed": 0,
        "latency_device": "Example CPU",
        "latency_backend": "torch",
        "latency_precision": "fp32",
        "latency_threads": 2,
        "memory_mb": 640.0,
    }


@pytest.fixture
def variant_of():
    """`variant`, for tests that write runs of many networks."""
    return variant


@pytest.fixture
def writer(tmp_path):
    """Makes run directories: writer("name", **search settings)."""
    return lambda name="default", **search: RunWriter(tmp_path / "segformer" / name, **search)


@pytest.fixture
def full(writer):
    """Some forty trials: a baseline, a known member, a front, an arch under two seeds, one over a limit, one failed."""
    run, rng = writer(), random.Random(0)
    run.trial(arch("segformer_b2"), latency=100.0, miou=0.30)
    run.trial(arch("boostformer"), latency=62.0, miou=0.308, params=17.58)
    first = None
    for k in range(34):
        share = rng.uniform(0.35, 1.1)
        drawn = variant(rng)
        first = first or drawn
        accuracy = 0.18 + 0.14 * share**0.5 + rng.gauss(0, 0.012)
        run.trial(drawn, latency=100 * share, miou=accuracy, params=27.46 * share, seed=0 if k else 1)
    large = run.ask(arch("segformer_b5"))
    run.rung(large, 0, params_m=84.6, macs_g=183.3)
    run.end(large, "infeasible", "params_m 84.6 is over its limit 40 by 44.6 (111.5 %)")
    broken = run.ask(variant(rng))
    run.rung(broken, 0, **free(70.0, 20.0) | {"latency_disturbed": 1})
    run.end(broken, "failed", "nan: the loss was not finite in epoch 2")
    run.trial(first, latency=55.0, miou=0.29, params=20.0, seed=2, rungs=3)
    run.finish()
    return run.directory
