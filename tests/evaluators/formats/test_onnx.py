"""ONNX files: what is written runs and agrees with the network; what cannot be written, or computes something else, is told."""

import numpy
import pytest
import torch
from torch import nn

from blocks.mixer import MIXER
from evaluators.formats.agreement import Disagrees, agreed, arrays, deviation, eager, probe, settled
from evaluators.formats.onnx import NotExportable, export_onnx, run_onnx
from registry import Option

for needed in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(needed, reason="pip install 'paredown[onnxruntime]'")


class Bessel(nn.Module):
    """An operator that ONNX has not."""

    def forward(self, x):
        return torch.special.bessel_j0(x)


class Undecided(nn.Module):
    """A graph that depends on the values of its input."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


def mixing(name):
    """A mixer behind a convolution."""
    return nn.Sequential(nn.Conv2d(3, 8, 1), MIXER.build(Option(name), dim=8, grid=(7, 9), activation=Option("gelu")))


class Outputs(nn.Module):
    """More than one output, held as a network may hold them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.norm(self.conv(x))
        return {"rows": x.flatten(2).transpose(1, 2), "pooled": [x.mean((2, 3))]}


def test_any_batch_runs_and_agrees(tmp_path):
    network, file = Outputs(), tmp_path / "network.onnx"
    assert export_onnx(network, (8, 10), file) < 1e-5
    image = probe((8, 10), batch_size=5)
    assert agreed(eager(network, image), run_onnx(file, image.numpy())) < 1e-5
    assert network.training  # the caller's network is left as it was


def test_a_batch_that_is_given_is_the_only_one(tmp_path):
    export_onnx(nn.Conv2d(3, 4, 3), (8, 8), tmp_path / "network.onnx", batch_size=2)
    with pytest.raises(Exception, match="Got: 3 Expected: 2"):
        run_onnx(tmp_path / "network.onnx", probe((8, 8), 3).numpy())


def test_an_operator_that_onnx_lacks_is_named_with_its_module(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Identity(), Bessel()))
    with pytest.raises(NotExportable, match=r"bessel_j0 in 1\.1 cannot be written as ONNX") as error:
        export_onnx(network, (8, 8), tmp_path / "network.onnx")
    assert (error.value.operator.endswith("bessel_j0"), error.value.where) == (True, "1.1")
    assert not list(tmp_path.iterdir())


def test_a_file_that_the_runtime_does_not_load_names_operator_and_module(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluators.formats.onnx.OPSET", 18)  # before there were deformable convolutions
    with pytest.raises(NotExportable, match=r"^DeformConv in 1\.\S+ cannot be written as ONNX: ONNX Runtime: .*invalid model"):
        export_onnx(mixing("deformable"), (7, 9), tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("Failed to allocate memory for requested buffer of size 9", MemoryError, "^ONNX Runtime: Failed to allocate"),
        ("std::bad_alloc", MemoryError, "bad_alloc"),
        ("NOT_IMPLEMENTED : Could not find an implementation for Bessel(1) node with name 'node_a'", NotExportable, "^Bessel in "),
        ("Node (node_a) Op (Conv) [ShapeInferenceError] no", NotExportable, "^Conv in "),
        ("", NotExportable, "RuntimeError"),
    ],
)
def test_what_the_runtime_says_of_a_file_that_it_does_not_load(said, kind, told, tmp_path, monkeypatch):
    def load(*given, **options):
        raise RuntimeError(said)

    monkeypatch.setattr("onnxruntime.InferenceSession", load)
    with pytest.raises(kind, match=told):
        export_onnx(nn.Conv2d(3, 4, 3), (8, 8), tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(MIXER))
def test_every_mixer_can_be_written(name, tmp_path):
    assert export_onnx(mixing(name), (7, 9), tmp_path / "network.onnx") < 1e-4


def test_a_graph_that_depends_on_values_is_told_with_its_line(tmp_path):
    with pytest.raises(NotExportable, match=r"test_onnx\.py:\d+ \(return x if x\.sum.*data-dependent"):
        export_onnx(Undecided(), (8, 8), tmp_path / "network.onnx")


def test_a_file_that_computes_something_else_is_refused_and_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluators.formats.onnx.run_onnx", lambda file, image: [run_onnx(file, image)[0] * 1.01])
    with pytest.raises(Disagrees, match=r"off by 0\.01 of the largest value; allowed in fp32: 0\.001"):
        export_onnx(nn.Conv2d(3, 4, 3), (8, 8), tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_packages_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluators.formats.onnx.NEEDS", ("onnx", "no_such_package"))
    with pytest.raises(ValueError, match=r"no_such_package not installed; pip install 'paredown\[onnxruntime\]'"):
        export_onnx(nn.Conv2d(3, 4, 3), (8, 8), tmp_path / "network.onnx")


def test_deviation_is_a_share_of_the_largest_value_of_the_worst_output():
    right = [numpy.array([1.0, -10.0]), numpy.array([0.5])]
    assert deviation(right, [numpy.array([1.0, -10.5]), numpy.array([0.6])]) == pytest.approx(0.2)
    assert deviation(right, right) == 0
    assert deviation([numpy.array([numpy.nan, numpy.inf, 2.0])], [numpy.array([numpy.nan, numpy.inf, 1.0])]) == 0.5


def rows(logit=0.5, pixel=500.0, number=100):
    """(1, N, 3) as a network of points gives them: a logit of -inf where nothing was decoded, one of a person, a pixel."""
    return numpy.array([[[-numpy.inf if n % 2 else 0.25, logit, pixel] for n in range(number)]])


def test_a_wrong_logit_does_not_hide_behind_a_large_pixel():
    image = numpy.ones((1, 2, 4, 4))
    assert deviation([image, rows()], [image, rows(logit=0.4)]) == pytest.approx(0.2)
    assert deviation([rows()], [rows(pixel=400.0)]) == pytest.approx(0.2)
    with pytest.raises(Disagrees, match=r"off by 0\.01 of the largest value; allowed in fp32: 0\.001 \(output 1, column 1\)"):
        agreed([image, rows()], [image, rows(logit=0.505)])


def test_what_is_rounding_beside_its_neighbours_and_small_by_chance_is_no_disagreement():
    assert agreed([rows(logit=0.0)], [rows(logit=1e-6)]) < 1e-5
    assert deviation([rows(logit=0.0)], [rows(logit=0.1)]) == pytest.approx(0.2)
    few = numpy.array([[[1e-4, 500.0]]])  # one row: its columns are as large as they happen to be
    assert agreed([few], [few + 1e-3]) < 1e-3


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([numpy.zeros((2, 2))], r"shapes \[\(2, 2\)\], the network's \[\(3,\)\]"),
        ([numpy.zeros(3), numpy.zeros(3)], "shapes"),
        ([numpy.array([0.0, numpy.nan, 0.0])], "not finite"),
    ],
)
def test_what_cannot_be_compared_disagrees(found, said):
    with pytest.raises(Disagrees, match=said):
        deviation([numpy.zeros(3)], found)


def test_of_int8_the_deviation_is_only_recorded():
    assert agreed([numpy.ones(2)], [numpy.zeros(2)], "int8") == 1
    with pytest.raises(Disagrees, match="allowed in fp16"):
        agreed([numpy.ones(2)], [numpy.zeros(2)], "fp16")


def test_a_settled_network_lets_the_signal_through():
    """Twenty untrained layers: what comes out of the fresh network is as good as nothing."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU()) for _ in range(20)]
    network, image = nn.Sequential(*layers), probe((8, 8))
    (before,), (after,) = eager(network, image), eager(settled(network, image), image)
    assert abs(before).max() < 1e-3 < 0.1 < abs(after).max()
    trained = settled(network, image)
    assert settled(trained, probe((16, 16))).state_dict()["0.1.running_mean"].equal(trained.state_dict()["0.1.running_mean"])
    assert network[0][1].num_batches_tracked == 0


def test_arrays_are_taken_from_whatever_holds_them():
    found = arrays({"a": [torch.ones(2, dtype=torch.bfloat16)], "b": (numpy.zeros(1), 3)})
    assert [array.tolist() for array in found] == [[1, 1], [0]]
