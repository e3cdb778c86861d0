"""Several backends in a run, what is repeated, and what the machine tells. A fake clock; no network is run."""

from dataclasses import dataclass, field

import pytest

from config import compose, load, typed
from evaluators.latency import BACKENDS, LatencyBench, Paired, Ready
from evaluators.latency._clock import clock_state
from evaluators.latency._paired import stable
from search.command_line import spelled_out


@dataclass(frozen=True, kw_only=True)
class Scripted(Paired):
    """Forwards whose seconds are `costs`, one after the other and then the last one again; the baseline's are all 1."""

    costs: list = field(default_factory=list)
    baseline: list = field(default_factory=list)
    now: list = field(default_factory=lambda: [0.0])
    prepared: list = field(default_factory=list)
    resolved_device: str = "cpu"

    def prepare(self, module, input_size):
        self.prepared.append(module)
        costs = self.costs if module == "candidate" else self.baseline

        def forward():
            self.now[0] += costs.pop(0) if len(costs) > 1 else costs[0]

        return forward

    def facts(self):
        return {"latency_device": "fake"}

    def clock(self):
        return self.now[0]


def scripted(costs=(2.0,), baseline=(1.0,), **options):
    return Scripted(costs=list(costs), baseline=list(baseline), max_s=1e9, **{"warmup_s": 0.0, "max_pairs": 3, **options})


def test_a_disturbed_measurement_is_repeated_once_and_the_steadier_one_counts():
    found = scripted(baseline=[1.0, 1.0, 3.0, 1.0]).measure("candidate", "baseline", (8, 8))
    assert (found["latency_repeats"], found["latency_disturbed"], found["baseline_spread"]) == (1, 0, 0)
    assert found["latency_ratio"] == pytest.approx(2)


def test_what_stays_disturbed_is_marked():
    found = scripted(baseline=[1.0, 1.0, 3.0] * 9).measure("candidate", "baseline", (8, 8))
    assert (found["latency_repeats"], found["latency_disturbed"]) == (1, 1)


def test_the_bound_is_a_setting():
    found = scripted(baseline=[1.0, 1.0, 1.1] * 9, disturbed=0.5).measure("candidate", "baseline", (8, 8))
    assert (found["latency_repeats"], found["latency_disturbed"]) == (0, 0)


def test_the_width_that_was_reached_is_recorded():
    assert scripted().measure("candidate", "baseline", (8, 8))["latency_width"] == 0


def test_warm_up_goes_on_until_the_time_is_stable_but_no_longer_than_three_times():
    assert stable([5.0, 4.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert not stable([2.0, 2.0])
    never = scripted(costs=[float(k) for k in range(1, 60)], warmup_s=10.0)
    never.readings(never.prepare("candidate", ()), never.prepare("baseline", ()), never.max_s)
    assert never.costs[0] == 12.0  # 1 + 2 + ... + 8 seconds of warm-up, then three readings


def test_a_second_backends_figures_bear_its_name():
    timing = scripted(also={"slow": scripted(costs=[8.0])})
    bench = LatencyBench(timing, lambda: "baseline", (8, 8))
    found = {**bench.measure("", lambda: "candidate"), **bench.measure("slow", lambda: "candidate")}
    assert (found["latency_ms"], found["latency_slow_ms"]) == (2000, 8000)
    assert (found["latency_ratio"], found["latency_slow_ratio"]) == (2, 8)
    assert (found["baseline_latency_ms"], found["baseline_latency_slow_ms"]) == (1000, 1000)
    assert {"baseline_spread", "baseline_slow_spread", "latency_slow_device"} <= set(found)
    assert {"latency_ms", "latency_slow_ms", "latency_slow_ratio"} <= set(timing.limitable)


def test_a_costly_baseline_is_prepared_once(monkeypatch):
    timing = scripted()
    bench = LatencyBench(timing, lambda: "baseline", (8, 8))
    monkeypatch.setattr(Scripted, "keeps", True)
    for _ in range(3):
        bench.measure("", lambda: "candidate")
    assert timing.prepared.count("baseline") == 1
    assert timing.prepared.count("candidate") == 3


@pytest.mark.parametrize("other", ["torch", Scripted(also={"x": Scripted()})])
def test_what_is_no_further_backend_is_refused(other):
    with pytest.raises(ValueError, match=r"latency\.also\.x: given"):
        Scripted(also={"x": other})


def test_a_list_on_the_command_line_gives_each_backend_its_own_settings():
    overrides = [
        "+space=segformer_b0",
        "latency=[torch, torch_compile]",
        "latency.threads=1",
        "latency.also.torch_compile.threads=2",
    ]
    with compose([*overrides, "search.limits.latency_torch_compile_ratio=1.5"]) as conf:
        latency = typed(conf.latency)
        limits = typed(conf.search).limits
    assert (type(latency), latency.threads) == (BACKENDS["torch"], 1)
    assert {name: (type(other), other.threads) for name, other in latency.also.items()} == {
        "torch_compile": (BACKENDS["torch_compile"], 2)
    }
    assert limits == {"latency_torch_compile_ratio": 1.5}


def test_lists_are_spelled_out_and_nothing_else_is_touched():
    assert list(spelled_out(["latency=[a,b]", "x=[1,2]", "latency=a"])) == [
        "latency=a",
        "+latency@latency.also.b=b",
        "x=[1,2]",
        "latency=a",
    ]
    with pytest.raises(ValueError, match="named twice"):
        list(spelled_out(["latency=[a, a]"]))


def test_a_figure_of_a_backend_that_is_not_measured_on_is_refused():
    with (
        pytest.raises(ValueError, match="unknown measurement 'latency_openvino_ms'"),
        compose(["+space=segformer_b0", "latency=[torch]", "+search.objectives.latency_openvino_ms=min"]) as conf,
    ):
        load(conf)


def test_the_clock_is_told_where_the_machine_tells_it(tmp_path):
    assert clock_state("cpu", tmp_path) == clock_state("", tmp_path) == {}
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("processor : 0\ncpu MHz\t\t: 2000.5\nprocessor : 1\ncpu MHz\t\t: 3000.5\n")
    assert clock_state("cpu", tmp_path) == {"latency_clock_mhz": 2500.5}
    frequencies = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    frequencies.mkdir(parents=True)
    (frequencies / "scaling_cur_freq").write_text("1200000\n")
    assert clock_state("cpu", tmp_path) == {"latency_clock_mhz": 1200.0}


def test_a_prepared_network_says_what_it_took():
    assert Ready(lambda: None, 1.5).measurements() == {"latency_prepare_s": 1.5}
    assert Ready(lambda: None, 1.5, 0.01).measurements() == {"latency_prepare_s": 1.5, "latency_output_error": 0.01}
