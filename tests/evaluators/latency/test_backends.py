"""Backends beside eager PyTorch: what each refuses before anything is spent, what it says of a network that it cannot run."""

from dataclasses import fields

import numpy
import pytest
import torch
from torch import nn

from evaluators.formats.agreement import probe
from evaluators.latency import BACKENDS, CannotRun, Paired, check_baseline

QUICK = {"threads": 1, "device": "cpu", "warmup_s": 0.0, "min_pairs": 3, "max_pairs": 3}
EXPORTING = ["onnxruntime", "openvino"]


class Bessel(nn.Module):
    """An operator that ONNX has not."""

    def forward(self, x):
        return torch.special.bessel_j0(x)


def backend(name, **options):
    made = BACKENDS[name](**{**QUICK, **options})
    if made.missing:
        pytest.skip(f"pip install 'paredown[{made.extra}]'")
    return made


def small(last=None):
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), last or nn.ReLU(), nn.Flatten(2), nn.Linear(64, 8))


@pytest.mark.parametrize("name", sorted(set(BACKENDS.names()) - {"predicted"}))  # that one's key is its table's
def test_whatever_changes_what_is_timed_is_in_the_key(name):
    """All of a backend's fields but those of the protocol, which say how long to look, and where."""
    made = backend(name)
    known = set(made.key((8, 8)))
    protocol = {field.name for field in fields(Paired)} - {"batch_size"}
    own = {field.name for field in fields(made)} - protocol
    assert {option for option in own if not {f"latency_{option}", f"latency_option_{option}"} & known} == set()


@pytest.mark.parametrize("name", EXPORTING)
def test_a_form_is_compared_with_the_network_and_the_key_is_recorded(name):
    found = backend(name, batch_size=2).measure(small(), small(), (8, 8))
    assert 0 <= found["latency_output_error"] < 1e-4
    assert found["latency_prepare_s"] > 0
    assert (found["latency_batch_size"], found["latency_input_size"], found["latency_backend"]) == (2, "8x8", name)
    assert found["latency_runtime"].startswith(f"torch {torch.__version__.split('+')[0]}")
    assert f"{name} " in found["latency_runtime"]


def test_int8_runs_and_its_deviation_is_recorded():
    found = backend("onnxruntime", precision="int8").measure(small(), small(), (8, 8))
    assert 1e-4 < found["latency_output_error"] < 0.2
    assert found["latency_precision"] == "int8"


@pytest.mark.parametrize("name", EXPORTING)
def test_a_network_that_a_backend_cannot_run_names_operator_and_module(name):
    with pytest.raises(CannotRun, match=rf"{name} cannot run \S*bessel_j0 in 2: "):
        backend(name).ready(small(Bessel()), (8, 8))


def test_a_form_that_computes_something_else_is_not_timed(monkeypatch):
    timing = backend("onnxruntime")
    prepare = type(timing).prepare

    def doubled(*given):
        forward = prepare(*given)
        return lambda: [forward()[0] * 2]

    monkeypatch.setattr(type(timing), "prepare", doubled)
    with pytest.raises(CannotRun, match=r"onnxruntime cannot run it: its outputs are off by 1 of the largest"):
        timing.ready(small(), (8, 8))


def test_a_baseline_that_does_not_run_is_an_error_at_the_start():
    with pytest.raises(ValueError, match=r"the baseline does not run on this backend: onnxruntime cannot run .*bessel_j0"):
        check_baseline(backend("onnxruntime"), lambda: small(Bessel()), (8, 8))
    check_baseline(backend("torch"), lambda: pytest.fail("eager PyTorch needs no trial"), (8, 8))


@pytest.mark.parametrize("name", EXPORTING)
def test_a_backend_that_is_not_installed_names_the_extra(name, monkeypatch):
    monkeypatch.setattr(BACKENDS[name], "packages", ("no_such_package",))
    with pytest.raises(ValueError, match=rf"{name} needs no_such_package, not installed.*paredown\[{name}\]"):
        BACKENDS[name](**QUICK).check_here()
    check_baseline(BACKENDS[name](**QUICK), lambda: pytest.fail("a worker may have it"), (8, 8))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("onnxruntime", {"precision": "bf16"}, r"'bf16' of onnxruntime; known: fp32, fp16, int8"),
        ("onnxruntime", {"precision": "fp16"}, r"fp16 does not run in onnxruntime on 'cpu'; allowed there: fp32, int8"),
        ("openvino", {"precision": "int8"}, r"'int8' of openvino; known: fp32, bf16, fp16"),
        ("openvino", {"device": "mps"}, r"openvino runs on cpu here, not on 'mps'"),
        ("torch_compile", {"mode": "max-autotun"}, r"latency\.mode: .*Did you mean 'max-autotune'"),
        ("torch", {"precision": "0.02"}, r"latency\.width \(its full width: 0\.04\)"),
        ("torch", {"batch_size": 0}, r"latency\.batch_size is 0; it has to be 1 or more"),
        ("torch", {"disturbed": -1}, r"latency\.disturbed is -1"),
    ],
)
def test_what_a_backend_does_not_do_is_refused(name, options, said):
    with pytest.raises(ValueError, match=said):
        backend(name, **options).check_here()


def test_torch_compile_runs_as_many_networks_as_there_are():
    """Dynamo keeps eight forms of a line of code, and runs the ninth eagerly without a word."""
    timing = backend("torch_compile")
    graphs = []

    def counted(graph, inputs):
        graphs.append(graph)
        return graph.forward

    with pytest.MonkeyPatch.context() as patch:
        compiled = torch.compile
        patch.setattr(torch, "compile", lambda forward, **options: compiled(forward, backend=counted))
        for width in range(1, 11):
            with timing.conditions():
                timing.ready(nn.Sequential(nn.Conv2d(3, width, 1), nn.ReLU()), (4, 4))
    assert len(graphs) == 10


def test_the_input_is_noise_and_always_the_same():
    image = BACKENDS["torch"](batch_size=2).image((4, 6))
    assert image.shape == (2, 3, 4, 6)
    assert image.std() > 0.5
    assert numpy.array_equal(image, probe((4, 6), 2))
