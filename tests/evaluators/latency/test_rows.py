"""A trial on several backends: a network that one cannot run is a row with the reason; the first limit that breaks ends it."""

from dataclasses import dataclass, replace

import pytest

from evaluators.api import Job
from evaluators.data.scenes import Scenes
from evaluators.evaluation import Evaluation
from evaluators.latency import CannotRun
from evaluators.latency.torch import Torch
from evaluators.schedule import Schedule
from evaluators.task.segmentation import Segmentation
from space import Arch


@dataclass(frozen=True, kw_only=True)
class Picky(Torch):
    """Runs small networks only."""

    def prepare(self, module, input_size):
        if sum(parameter.numel() for parameter in module.parameters()) > LARGE:
            raise CannotRun("picky", "no kernel for it", operator="aten.foo", where="stage1")
        return super().prepare(module, input_size)


LARGE = 10_000


def arch_of(dim):
    stage = {"depth": 1, "embed": "conv", "mixer": {"name": "pool"}, "ffn": "identity", "dim": dim}
    stages = {f"stage{i + 1}": stage for i in range(4)}
    return Arch.make("segformer", {"norm_layout": "pre", **stages, "decoder": {"fusion": "sum", "width": 8}})


@pytest.fixture
def evaluation(tmp_path):
    quick = {"device": "cpu", "threads": 1, "warmup_s": 0, "max_s": 0.2}
    return Evaluation(
        baseline=arch_of(8),
        input_size=(64, 64),
        task=Segmentation(),
        data=Scenes(train_count=16, val_count=8),
        schedule=Schedule(rungs=[1], image_size=32, width=1.0, batch_size=8, threads=1),
        latency=Torch(**quick, also={"picky": Picky(**quick)}),
        limits={},
        device="cpu",
        plugins=(),
        cache=tmp_path / "cache",
    )


def run(evaluation, arch, tmp_path):
    return list(evaluation(Job(arch, 0, 0, tmp_path / "trial")))


def test_every_backend_is_measured_under_its_name(evaluation, tmp_path):
    result, outcome = run(evaluation, evaluation.baseline, tmp_path)
    assert {"latency_ms", "latency_picky_ms", "latency_picky_ratio", "latency_picky_threads"} <= set(result.measurements)
    assert outcome.kind == "ok"


def test_a_network_that_a_backend_cannot_run_is_a_row(evaluation, tmp_path):
    *_, outcome = run(evaluation, arch_of(64), tmp_path)
    assert (outcome.kind, outcome.reason) == ("failed", "unrunnable: picky cannot run aten.foo in stage1: no kernel for it")


def test_over_a_limit_of_the_first_the_second_is_not_asked(evaluation, tmp_path):
    result, outcome = run(replace(evaluation, limits={"latency_ms": 1e-6}), arch_of(64), tmp_path)
    assert outcome.kind == "infeasible"
    assert "latency_picky_ms" not in result.measurements


def test_a_limit_on_a_further_backend_holds(evaluation, tmp_path):
    result, outcome = run(replace(evaluation, limits={"latency_picky_ms": 1e-6}), arch_of(9), tmp_path)
    assert outcome.kind == "infeasible"
    assert "latency_picky_ms" in outcome.reason
    assert "latency_picky_ms" in result.measurements
