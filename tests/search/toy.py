"""A toy space, a deterministic evaluator and a run of them in a process of its own, for the tests beside this file.

As a script: `toy.py RUN_DIR LAUNCHER WORKERS '{"trials": 20, ...}'` runs the toy search and exits 0 when it is finished.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from torch import nn

from evaluators.api import Job, Outcome, RungResult
from registry import Option, Slot
from search.launch import LAUNCHERS
from search.launch.driver import next_proposal
from search.progress import Progress
from search.records import Ledger, Log
from search.strategy import STRATEGIES, Strategy
from space import NETWORKS, Arch, Space, SpaceConf

TOY_MIXER = Slot("toy mixer")


@TOY_MIXER.register("attention")
class Attention(nn.Module):
    pass


@TOY_MIXER.register("pool")
class Pool(nn.Module):
    def __init__(self, *, size: int = 3):
        super().__init__()


ATTENTION = Option("attention")


@dataclass(frozen=True)
class ToyArch:
    a: int = 0
    b: int = 0
    mixer: Annotated[Option, TOY_MIXER] = ATTENTION


@NETWORKS.register("toy_search")
class Toy(nn.Module):
    Arch = ToyArch


def toy_space(*, narrowed: bool = False, mixers: tuple[str, ...] = ("attention", "pool"), **choices: list[Any]) -> Space:
    """144 members: a, b in 0..7 with a <= b (36 pairs), attention, pools of 3, 5 or 7. `choices` narrow a hole."""
    mixer = {"choice": list(mixers), "pool": {"size": {"choice": [3, 5, 7]}}}
    arch = {"a": {"int": [0, 7]}, "b": {"int": [0, 7]}, "mixer": mixer}
    arch |= {name: {"choice": options} for name, options in choices.items()}
    found = {"plain": Arch.make("toy_search", {}), "pooled": Arch.make("toy_search", {"a": 1, "b": 3, "mixer": "pool"})}
    conf = SpaceConf(network="toy_search", baseline="plain", known=["pooled"], arch=arch, rules=["a <= b"])
    return Space.load(conf, "toy", found.__getitem__, narrowed=narrowed)


@dataclass(frozen=True)
class Evaluate:
    """A pure function of (arch, seed, rung). Finished rungs are adopted from the job's directory, and every training of a rung is
    noted in `trained/`. `fault` is what goes wrong at a >= 3, after rung 0: infeasible, failed, bug, raise, none (no outcome),
    die (the process does; for an odd b and a smaller a only the first time)."""

    step_s: float = 0.0
    fault: str = ""

    def __call__(self, job: Job) -> Iterator[RungResult | Outcome]:
        arch = job.arch.arch
        wrong = arch["a"] >= 3
        for rung in range(job.rung + 1):
            yield self.rung(job, rung)
            if wrong and self.fault in ("infeasible", "failed", "bug"):
                yield Outcome(self.fault, f"a {arch['a']} >= 3")
                return
            if wrong and self.fault == "none":
                return
            if wrong and self.fault == "raise":
                raise TypeError("raised in the trial")
            if self.fault == "die" and (wrong or (arch["b"] % 2 and first_time(job))):
                os.kill(os.getpid(), 9)
        yield Outcome("ok")

    def rung(self, job: Job, rung: int) -> RungResult:
        done = job.directory / f"rung{rung}.json"
        if not done.exists():
            time.sleep(self.step_s)
            notes = job.directory.parents[1] / "trained"
            notes.mkdir(exist_ok=True)
            part = done.with_suffix(".part")
            part.write_text(json.dumps(measurements(job.arch, job.seed, rung)))
            part.rename(done)
            with (notes / f"{job.directory.name}_{rung}").open("a") as file:
                file.write("trained\n")
        return RungResult(rung, json.loads(done.read_text()))


def first_time(job: Job) -> bool:
    marker = job.directory / "died"
    return not marker.exists() and marker.write_text("yes") > 0


def measurements(arch: Arch, seed: int, rung: int) -> dict[str, float]:
    plain = arch.arch
    pool = plain["mixer"].get("size", 0) if isinstance(plain["mixer"], dict) else 0
    if rung == 0:
        return {"latency_ms": 1.0 + plain["a"] + plain["b"] / 8 + pool / 10, "params_m": float(plain["b"])}
    text = json.dumps([plain, seed, rung], sort_keys=True)
    jitter = int(hashlib.sha1(text.encode()).hexdigest()[:4], 16) / 0xFFFF
    return {"miou": plain["a"] / 10 + plain["b"] / 20 - pool / 100 + rung / 10 + jitter / 50, "train_s": 0.1}


def strategy(name: str = "random", **options: object) -> Strategy:
    objectives = {"miou": "max", "latency_ms": "min"}
    return STRATEGIES[name](**{"trials": 12, "rungs": [1, 3], "objectives": objectives, **options})


def reproduced(lines: Iterable[dict[str, Any]], options: dict[str, object]) -> None:
    """Each ask of a log follows from the lines above it."""
    chosen, space, ledger = strategy(**options), toy_space(), Ledger()
    for event in lines:
        if event["event"] == "asked":
            assert next_proposal(space, chosen, ledger.records).arch.id == event["id"]
        ledger.apply(event)


def offer_a_board() -> None:
    """Let the Ray of this process's own offer `edge_board`, as a node of a cluster would."""
    import ray

    init = ray.init
    ray.init = lambda *args, **options: init(*args, resources={"edge_board": 1}, **options)


def main(run_dir: str, launcher: str, workers: int, options: dict[str, object]) -> None:
    evaluate = Evaluate(step_s=float(options.pop("step_s", 0.0)), fault=str(options.pop("fault", "")))
    board = str(options.pop("resource", ""))
    chosen = strategy(**options)
    launch = LAUNCHERS["ray"](workers=workers, resource=board) if launcher == "ray" else LAUNCHERS["serial"]()
    if board:
        offer_a_board()
    with Log.open(Path(run_dir)) as log:
        log.started({"command": sys.argv})
        progress = Progress(chosen.trials, goals=chosen.goals, last=chosen.rung)
        print(launch.run(toy_space(), chosen, evaluate, log, progress=progress))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))
