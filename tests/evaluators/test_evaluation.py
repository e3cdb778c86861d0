"""One trial through the real evaluation, small: what stops it early, what is adopted, and how failures are told from bugs."""

import json
from dataclasses import replace

import pytest
import torch

from evaluators.api import Job, Outcome
from evaluators.data.scenes import Scenes
from evaluators.evaluation import Evaluation, out_of_memory
from evaluators.latency.torch import Torch
from evaluators.schedule import Schedule
from evaluators.task.segmentation import Segmentation
from space import Arch


@pytest.fixture
def arch():
    stage = {"depth": 1, "embed": "conv", "mixer": {"name": "pool"}, "ffn": "identity"}
    stages = {f"stage{i + 1}": {**stage, "dim": 8} for i in range(4)}
    return Arch.make("segformer", {"norm_layout": "pre", **stages, "decoder": {"fusion": "sum", "width": 8}})


@pytest.fixture
def evaluation(arch, tmp_path):
    return Evaluation(
        baseline=arch,
        input_size=(64, 64),
        task=Segmentation(),
        data=Scenes(train_count=16, val_count=8),
        schedule=Schedule(rungs=[1, 2], image_size=32, width=1.0, batch_size=8, threads=1),
        latency=Torch(device="cpu", threads=1, warmup_s=0, max_s=0.2),
        limits={},
        device="cpu",
        plugins=(),
        cache=tmp_path / "cache",
    )


def run(evaluation, arch, tmp_path, *, rung=2):
    return list(evaluation(Job(arch, 0, rung, tmp_path / "trial")))


def test_a_trial_measures_cost_and_latency_then_trains_each_rung(evaluation, arch, tmp_path):
    *rungs, outcome = run(evaluation, arch, tmp_path)
    assert [result.rung for result in rungs] == [0, 1, 2]
    assert {"params_m", "macs_g", "latency_ms", "latency_ratio", "memory_mb"} <= set(rungs[0].measurements)
    assert 0 <= rungs[2].measurements["miou"] <= 1
    assert outcome == Outcome("ok")


def test_norms_follow_as_fast_as_the_schedule_asks(evaluation, arch):
    def momenta(schedule):
        network = replace(evaluation, schedule=schedule).trainee(arch)
        return {norm.momentum for norm in network.modules() if isinstance(norm, torch.nn.BatchNorm2d)}

    assert momenta(evaluation.schedule) == {0.1}  # the network's own
    assert momenta(replace(evaluation.schedule, norm_momentum=0.25)) == {0.25}
    with pytest.raises(ValueError, match=r"schedule\.norm_momentum"):
        replace(evaluation.schedule, norm_momentum=1.5)


def test_rung_zero_trains_nothing(evaluation, arch, tmp_path):
    result, outcome = run(evaluation, arch, tmp_path, rung=0)
    assert (result.rung, outcome.kind) == (0, "ok")


@pytest.fixture
def other(arch):
    return Arch.make("segformer", {**arch.arch, "norm_layout": "v2"})


def test_over_a_cost_limit_nothing_is_timed_or_trained(evaluation, other, tmp_path):
    result, outcome = run(replace(evaluation, limits={"params_m": 1e-4}), other, tmp_path)
    assert "latency_ms" not in result.measurements
    assert outcome.kind == "infeasible"
    assert "params_m" in outcome.reason
    assert "over its limit 0.0001 by" in outcome.reason


def test_the_baseline_is_trained_whatever_the_limits(evaluation, arch, tmp_path):
    assert run(replace(evaluation, limits={"params_m": 1e-4}), arch, tmp_path)[-1].kind == "ok"


def test_over_a_latency_limit_nothing_is_trained(evaluation, other, tmp_path):
    result, outcome = run(replace(evaluation, limits={"latency_ms": 1e-6}), other, tmp_path)
    assert result.rung == 0
    assert result.measurements["latency_ms"] > 1e-6
    assert outcome.kind == "infeasible"


def test_what_is_on_disk_is_adopted_not_measured_again(evaluation, arch, tmp_path):
    first = run(evaluation, arch, tmp_path)
    again = run(evaluation, arch, tmp_path)
    assert again == first


def test_not_a_number_is_a_failure(evaluation, arch, tmp_path):
    *_, outcome = run(replace(evaluation, schedule=replace(evaluation.schedule, lr=1e30, clip_norm=0.0)), arch, tmp_path)
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("nan: ")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "failed"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"), "failed"),
        (MemoryError(), "failed"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "bug"),
        (TypeError("unexpected argument"), "bug"),
    ],
)
def test_memory_is_a_failure_and_anything_else_a_bug(evaluation, arch, tmp_path, monkeypatch, error, kind):
    def fail(*arguments, **more):
        raise error

    monkeypatch.setattr("evaluators.evaluation.train", fail)
    *_, outcome = run(evaluation, arch, tmp_path)
    assert outcome.kind == kind
    assert ("Traceback" in outcome.reason) == (kind == "bug")
    assert bool(out_of_memory(error)) == (kind == "failed")


def test_costs_are_found_again_by_another_run(evaluation, arch, tmp_path, monkeypatch):
    run(evaluation, arch, tmp_path, rung=0)
    lines = (tmp_path / "cache" / "costs.jsonl").read_text().splitlines()
    assert [json.loads(line)["cost"]["params_m"] for line in lines] == [pytest.approx(0.0043, rel=0.9)]
    other = replace(evaluation, limits={"macs_g": 1e9})  # another run: its workbench is built anew
    monkeypatch.setattr("evaluators.cost.measure_cost", lambda *a, **k: pytest.fail("computed again"))
    list(other(Job(arch, 1, 0, tmp_path / "other")))


def test_a_member_that_cannot_be_built_is_a_row(evaluation, arch, tmp_path):
    stage = {**arch.arch["stage1"], "mixer": {"name": "depthwise", "kernel": 4}}
    (outcome,) = run(evaluation, Arch.make("segformer", {**arch.arch, "stage1": stage}), tmp_path)
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("unbuildable: mixer depthwise: kernel is 4")
