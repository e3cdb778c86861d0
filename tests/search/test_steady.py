import pytest

from search.records import Ledger
from search.steady import Steady, beside, paired, usual

CALM = {"latency_ratio": 0.8, "latency_ratio_low": 0.7, "latency_ratio_high": 0.9, "latency_ms": 20.0, "baseline_latency_ms": 25}
BUSY = {
    "latency_ms": 81.0,
    "latency_ratio": 0.81,
    "latency_ratio_low": 0.8,
    "latency_ratio_high": 0.82,
    "baseline_latency_ms": 100.0,
}


def test_times_of_different_moments_compare_by_their_ratios():
    steady = Steady()
    first, second = steady(CALM), steady({**BUSY, "params_m": 3.0})
    assert first["latency_ms"] == pytest.approx(20.0)
    assert second["latency_ms"] == pytest.approx(0.81 * 25)  # the machine was four times slower then
    assert (second["latency_low_ms"], second["latency_high_ms"]) == (pytest.approx(20.0), pytest.approx(20.5))
    assert second["params_m"] == 3.0
    assert second["baseline_latency_ms"] == 100.0  # what was read stays


def test_each_backend_has_a_baseline_of_its_own():
    other = {"latency_ort_ms": 9.0, "latency_ort_ratio": 0.9, "baseline_latency_ort_ms": 10.0}
    steady = Steady()
    steady({**CALM, **other})
    found = steady({**BUSY, **{**other, "baseline_latency_ort_ms": 40.0}})
    assert found["latency_ort_ms"] == pytest.approx(9.0)
    assert found["latency_ms"] == pytest.approx(0.81 * 25)


@pytest.mark.parametrize("given", [{}, {"latency_ms": 5.0}, {"latency_ms": None, "latency_ratio": None, "baseline_latency_ms": 3}])
def test_what_was_not_read_beside_the_baseline_stays_as_it_is(given):
    assert Steady()(given) == given
    assert paired(given) == []


def test_the_baselines_usual_time_is_the_median():
    readings = [CALM, BUSY, {**CALM, "baseline_latency_ms": 26.0}]
    assert usual(readings) == {"latency_ms": 26.0}
    assert beside(CALM, usual(readings))["latency_ms"] == pytest.approx(0.8 * 26)


def test_a_log_keeps_what_was_read_and_its_records_compare():
    ledger = Ledger()
    for number, measurements in enumerate((CALM, BUSY)):
        asked = {"event": "asked", "number": number, "continues": None, "seed": 0, "rung": 0, "ask_s": 0}
        ledger.apply({**asked, "arch": {"network": "toy", "arch": {"depth": number}}})
        ledger.apply({"event": "rung", "number": number, "rung": 0, "measurements": measurements})
    assert [record.measurements["latency_ms"] for record in ledger.records] == [pytest.approx(20.0), pytest.approx(20.25)]
    assert BUSY["latency_ms"] == 81.0
