"""On a GPU, skipped without: what a CPU computes, the same ones twice, latencies by the GPU's clock, memory that runs out."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from config import compose, load_space, typed
from evaluators.api import Job
from evaluators.evaluation import Evaluation
from evaluators.latency import BACKENDS, CannotRun
from evaluators.schedule import Schedule
from evaluators.turns import DeviceTurns
from space import Arch, build

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

SPACES = sorted(file.stem for file in (Path(__file__).parents[2] / "conf" / "space").glob("*.yaml"))
QUICK = {"warmup_s": 0.05, "max_pairs": 5, "max_s": 5.0}


@pytest.fixture(params=SPACES)
def evaluation(request, tmp_path):
    """The space's own task and data; a schedule of seconds."""
    overrides = [f"+space={request.param}"]
    with compose(overrides) as conf:
        space, task, data = load_space(conf, request.param, overrides), typed(conf.task), typed(conf.data)
        schedule = typed(conf.schedule)
    return Evaluation(
        baseline=space.baseline,
        input_size=(256, 256),
        task=task,
        data=data,
        schedule=replace(schedule, rungs=[1, 2], sample_fraction=0.03, width=min(schedule.width, 0.5), warmup_steps=1),
        latency=BACKENDS["torch"](**QUICK),
        limits={},
        device="cuda",
        plugins=(),
        cache=tmp_path / "cache",
    )


def trial(evaluation, directory, *, rung=2):
    *rungs, outcome = evaluation(Job(evaluation.baseline, 0, rung, directory))
    assert outcome.kind == "ok", outcome.reason
    return [(result.rung, result.measurements) for result in rungs]


def test_a_baseline_is_measured_and_trained_and_continued_as_if_straight_through(evaluation, tmp_path):
    straight = trial(evaluation, tmp_path / "straight")
    trial(evaluation, tmp_path / "pieces", rung=1)
    pieces = trial(evaluation, tmp_path / "pieces")
    priced, *trained = straight
    assert priced[1]["latency_device"] == torch.cuda.get_device_name()
    assert 0.5 < priced[1]["latency_ratio"] < 2  # the baseline beside itself
    for (rung, one), (_, other) in zip(trained, pieces[1:], strict=True):
        assert math.isfinite(one["train_loss"])
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=0.02), rung  # some CUDA kernels add in any order


def test_a_network_computes_what_it_computes_on_a_cpu(evaluation):
    size = evaluation.schedule.image_size
    torch.manual_seed(0)
    network = build(evaluation.baseline, evaluation.data.classes, image_size=(size, size), width=evaluation.schedule.width).eval()
    image = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        expected = network(image)
        found = network.cuda()(image.cuda())
    for one, other in zip(_tensors(expected), _tensors(found), strict=True):
        finite = one.isfinite()
        assert torch.equal(finite, other.cpu().isfinite())
        torch.testing.assert_close(other.cpu()[finite], one[finite], rtol=1e-2, atol=2e-2 * one[finite].abs().max().item())


def _tensors(output):
    return [output] if isinstance(output, torch.Tensor) else [part for value in output for part in _tensors(value)]


def convolutions(count):
    return nn.Sequential(*[nn.Sequential(nn.Conv2d(16 if n else 3, 16, 3, padding=1), nn.ReLU()) for n in range(count)])


@pytest.mark.parametrize("name", ["torch", "cuda_graph"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_twice_the_layers_take_about_twice_as_long(name, precision):
    backend = BACKENDS[name](precision=precision, **{**QUICK, "max_pairs": 30})
    found = backend.measure(convolutions(40), convolutions(20), (128, 128), DeviceTurns("cuda"))
    if found["latency_disturbed"]:
        pytest.skip("other programs use the GPU: their slices of time would be counted")
    assert 1.4 < found["latency_ratio"] < 2.6
    assert found["latency_device"] == torch.cuda.get_device_name()
    assert found.get("latency_clock_mhz", 1) > 0


def test_a_graph_launches_faster_and_computes_the_same():
    eager = BACKENDS["torch"](**QUICK).measure(convolutions(40), convolutions(20), (32, 32))
    graph = BACKENDS["cuda_graph"](**QUICK).measure(convolutions(40), convolutions(20), (32, 32))
    assert graph["latency_ms"] < eager["latency_ms"]
    assert graph["latency_output_error"] < 1e-3


class Looks(nn.Module):
    """At a value, as PET's windows do."""

    def forward(self, x):
        return x * 2 if x.sum().item() > 0 else x


def test_a_network_that_looks_at_values_cannot_be_recorded_and_the_next_one_can():
    backend = BACKENDS["cuda_graph"](**QUICK)
    with pytest.raises(CannotRun, match="cuda_graph cannot run it: "):
        backend.measure(nn.Sequential(nn.Conv2d(3, 3, 1), Looks()), convolutions(2), (8, 8))
    assert backend.measure(convolutions(2), convolutions(2), (8, 8))["latency_ms"] > 0


def test_memory_that_runs_out_is_a_row_and_the_next_trial_trains(tmp_path):
    stage = {"depth": 1, "dim": 8, "embed": "conv", "mixer": {"name": "pool"}, "ffn": "identity"}
    stages = {f"stage{i + 1}": stage for i in range(4)}
    arch = Arch.make("segformer", {"norm_layout": "pre", **stages, "decoder": {"fusion": "sum", "width": 8}})
    with compose(["+space=segformer"]) as conf:
        task, data = typed(conf.task), typed(conf.data)
    schedule = Schedule(rungs=[1], image_size=32, width=1.0, batch_size=8, sample_fraction=0.02, threads=1)
    parts = {"task": task, "data": data, "latency": BACKENDS["torch"](**QUICK), "limits": {}, "plugins": ()}
    small = Evaluation(baseline=arch, input_size=(64, 64), schedule=schedule, device="cuda", cache=tmp_path / "cache", **parts)
    limit = torch.cuda.memory_reserved() + 2**26
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.get_device_properties(0).total_memory)
    try:
        large = replace(small, schedule=replace(schedule, image_size=512, batch_size=32))
        *_, outcome = large(Job(arch, 0, 1, tmp_path / "large"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("out of memory")
    *_, outcome = small(Job(arch, 0, 1, tmp_path / "small"))
    assert outcome.kind == "ok", outcome.reason
