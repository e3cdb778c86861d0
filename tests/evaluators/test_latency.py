"""Latency: what is timed, in which order, and what is made of the readings. A fake clock, and small real networks."""

import pickle
import resource
import sys
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from evaluators.latency import BACKENDS, Paired
from evaluators.latency._memory import kept_memory
from evaluators.latency._paired import Pairs, interval


@dataclass(frozen=True, kw_only=True)
class Fake(Paired):
    """Forwards that take as long as `costs` says; time passes only while one runs."""

    costs: dict = field(default_factory=dict)
    log: list = field(default_factory=list)
    now: list = field(default_factory=lambda: [0.0])
    drift: float = 0.0

    def prepare(self, module, input_size):
        def forward():
            self.log.append(module)
            self.now[0] += self.costs[module] * (1 + self.drift * self.now[0])

        return forward

    def facts(self):
        return {"latency_device": "fake"}

    def clock(self):
        return self.now[0]


def fake(**options):
    return Fake(costs={"candidate": 1.0, "baseline": 2.0}, max_s=1e9, warmup_s=0.0, **options)


def test_warm_up_is_excluded_and_pairs_alternate():
    timing = fake(warmup=2, min_pairs=4, max_pairs=4)
    found = timing.measure("candidate", "baseline", (8, 8))
    assert timing.log[:4] == ["candidate", "candidate", "baseline", "baseline"]
    assert timing.log[4:] == ["candidate", "baseline", "baseline", "candidate"] * 2
    assert found["latency_pairs"] == 4
    assert found["latency_device"] == "fake"


def test_units_are_milliseconds_and_the_ratio_is_to_the_baseline():
    found = fake(min_pairs=3, max_pairs=3).measure("candidate", "baseline", (8, 8))
    assert found["latency_ms"] == pytest.approx(1000)
    assert found["baseline_latency_ms"] == pytest.approx(2000)
    assert found["latency_ratio"] == pytest.approx(0.5)
    assert found["latency_low_ms"] <= found["latency_ms"] <= found["latency_high_ms"]
    assert found["latency_disturbed"] == 0


def test_drift_cancels_in_the_ratio_and_is_marked():
    found = fake(min_pairs=10, max_pairs=10, drift=0.02).measure("candidate", "baseline", (8, 8))
    assert found["latency_ratio"] == pytest.approx(0.5, rel=0.02)
    assert found["latency_ms"] > 1100
    assert found["latency_disturbed"] == 1


def test_stops_once_the_ratio_is_known_or_time_is_up():
    steady = fake(max_pairs=50)
    assert steady.measure("candidate", "baseline", (8, 8))["latency_pairs"] == 6
    hurried = Fake(costs={"candidate": 1.0, "baseline": 2.0}, warmup_s=0.0, max_s=1.0)
    assert hurried.measure("candidate", "baseline", (8, 8))["latency_pairs"] == 3


def test_a_fast_forward_is_repeated_within_one_reading():
    timing = Fake(costs={"candidate": 1e-3, "baseline": 2e-3}, warmup_s=0.0, max_pairs=3)
    found = timing.measure("candidate", "baseline", (8, 8))
    assert timing.log.count("candidate") == 1 + 3 * 20
    assert found["latency_ms"] == pytest.approx(1)


def test_interval_tells_its_true_level():
    assert interval([3.0, 1.0, 2.0]) == (1.0, 3.0, pytest.approx(0.75))
    low, high, level = interval(list(range(1, 101)))
    assert (low, high) == (40, 61)
    assert level == pytest.approx(0.9648, abs=1e-3)


def test_spread_of_a_steady_baseline_is_nothing():
    assert Pairs(candidate=(1.0, 1.0), baseline=(2.0, 2.0)).spread() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "fp23"}, r"latency\.precision.*fp23.*known: fp32, bf16, fp16.*Did you mean 'fp32'"),
        ({"device": "gpu7"}, r"latency\.device.*'gpu7' is no device"),
        ({"threads": -1}, r"latency\.threads is -1"),
        ({"min_pairs": 9, "max_pairs": 3}, r"latency\.max_pairs is 3; it has to be 9 or more"),
        ({"warmup": 0}, r"latency\.warmup is 0; it has to be 1 or more"),
    ],
)
def test_bad_values_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        BACKENDS["torch"](**options)


@pytest.mark.parametrize("name", BACKENDS.names())
def test_every_backend_times_a_network_against_itself(name):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    backend = pickle.loads(pickle.dumps(BACKENDS[name](threads=1, warmup_s=0.0, min_pairs=3, max_pairs=3)))  # on a GPU where it can
    try:
        backend.check_here()
    except ValueError as lacking:
        pytest.skip(str(lacking))
    threads = torch.get_num_threads()
    found = backend.measure(network, network, (32, 32))
    assert found["latency_ms"] > 0
    assert 0.1 < found["latency_ratio"] < 10
    assert found["latency_threads"] == 1
    assert found["latency_precision"] == "fp32"
    assert found["latency_device"]
    assert torch.get_num_threads() == threads
    assert network.training  # the caller's network is left as it was
    assert all(value is not None and value == value for value in found.values())


def test_a_slower_network_has_a_ratio_above_one():
    small, large = nn.Conv2d(3, 2, 3), nn.Sequential(*[nn.Conv2d(3, 3, 9, padding=4) for _ in range(6)])
    found = BACKENDS["torch"](threads=1, device="cpu", warmup_s=0.0, max_pairs=3).measure(large, small, (64, 64))
    assert found["latency_ratio"] > 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted, and memory kept, on Linux")
def test_forwards_that_are_timed_find_their_memory_in_place():
    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            torch.ones(2**24)  # 64 MiB, 16,384 pages: more than the C library keeps by itself
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with kept_memory():
        faults()
        assert faults() < 2**10
    assert faults() > 2**14  # and afterwards it is given back


def test_half_precision_runs():
    found = BACKENDS["torch"](device="cpu", precision="bf16", threads=1, warmup_s=0.0, max_pairs=3).measure(
        nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), (16, 16)
    )
    assert found["latency_precision"] == "bf16"
