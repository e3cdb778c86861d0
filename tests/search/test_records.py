import json
import math
import os

import pytest
from commands import Command
from toy import toy_space

from evaluators.api import Outcome, RungResult
from search.records import Log, Proposal, Records, read

SPACE = toy_space()


def proposal(**changes):
    return Proposal(**{"arch": SPACE.baseline, "seed": 0, "rung": 1, **changes})


def lines(run_dir):
    return [json.loads(line) for line in (run_dir / "trials.jsonl").read_text().splitlines()]


def test_events_come_back_as_records(tmp_path):
    with Log.open(tmp_path) as log:
        log.started({"device": "cpu"})
        assert log.asked(proposal(), ask_s=0.5).number == 0
        assert log.rung(0, RungResult(0, {"latency_ms": 2.0}))
        log.rung(0, RungResult(1, {"miou": 0.5}))
        log.ended(0, Outcome("ok"))
        log.finished("1 members trained")
        written = log.records
    again = read(tmp_path)
    assert again == written
    assert again[0].measurements == {"latency_ms": 2.0, "miou": 0.5}
    assert again[0].proposal.arch == SPACE.baseline
    assert again[0].ok
    assert again.finished == "1 members trained"
    assert again.started[0]["device"] == "cpu"


def test_a_continued_trial_keeps_its_number_and_measurements(tmp_path):
    with Log.open(tmp_path) as log:
        log.asked(proposal(rung=0), ask_s=0)
        log.rung(0, RungResult(0, {"latency_ms": 2.0}))
        log.ended(0, Outcome("ok"))
        log.asked(proposal(trial=0), ask_s=0)
        assert not log.rung(1, RungResult(0, {"latency_ms": 2.0})), "an adopted rung is not logged twice"
        log.rung(1, RungResult(1, {"miou": 0.1}))
        log.ended(1, Outcome("ok"))
        log.asked(proposal(trial=1, rung=2), ask_s=0)
        records = log.records
    assert [record.trial for record in records] == [0, 0, 0]
    assert records[2].measurements == {"latency_ms": 2.0, "miou": 0.1}
    assert [result.rung for result in records[1].results] == [1]
    assert records.trained(last=2) == 1


def test_nan_and_infinity_become_none(tmp_path):
    with Log.open(tmp_path) as log:
        log.asked(proposal(), ask_s=0)
        log.rung(0, RungResult(1, {"miou": math.nan, "loss": math.inf}))
        assert log.records[0].measurements == {"miou": None, "loss": None}
    assert lines(tmp_path)[1]["measurements"] == {"miou": None, "loss": None}


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_torn_last_line_is_cut(tmp_path, cut):
    with Log.open(tmp_path) as log:
        log.asked(proposal(), ask_s=0)
        log.rung(0, RungResult(0, {"latency_ms": 2.0}))
    path = tmp_path / "trials.jsonl"
    os.truncate(path, path.stat().st_size - cut)
    assert read(tmp_path)[0].results == ()
    with Log.open(tmp_path) as log:
        assert log.records[0].running
        assert log.rung(0, RungResult(0, {"latency_ms": 2.0}))
    assert [event["event"] for event in lines(tmp_path)] == ["asked", "rung"]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "trials.jsonl").write_text('{"event": "started"}\nnonsense\n')
    with pytest.raises(ValueError, match=r"trials\.jsonl:2: not a JSON event"):
        Log.open(tmp_path)
    with pytest.raises(ValueError, match=r"trials\.jsonl:2"):
        read(tmp_path)


def test_no_log_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no trials\.jsonl"):
        read(tmp_path)


def test_a_second_writer_is_refused(tmp_path):
    script = tmp_path / "other.py"
    script.write_text(
        "import sys, time; from search.records import Log; log = Log.open(sys.argv[1]); print('open'); time.sleep(600)"
    )
    with Command(str(script), str(tmp_path)) as other:
        other.until(lambda: other.said() == "open\n")
        with pytest.raises(ValueError, match="another process writes this run"):
            Log.open(tmp_path)
    Log.open(tmp_path).close()


def ended(log, number, kind="ok"):
    log.rung(number, RungResult(0, {"latency_ms": float(number)}))
    log.ended(number, Outcome(kind))


def test_lag_hides_late_results_and_orders_by_number(tmp_path):
    with Log.open(tmp_path) as log:
        for _ in range(3):
            log.asked(proposal(), ask_s=0)
        ended(log, 2)
        ended(log, 0)
        records = log.records
        assert [record.number for record in records.ended] == [2, 0]
        assert records.due(None)
        assert not records.due(1)
        assert not records.due(2), "ask 3 with lag 2 sees 0..1, and 1 still runs"
        assert records.due(3)
        seen = records.lagged(3)
        assert [record.running for record in seen] == [False, True, True]
        assert seen[2].measurements == {}
        ended(log, 1)
        assert [record.number for record in log.records.lagged(1).ended] == [0, 1, 2]


def test_trained_counts_members_that_are_not_infeasible(tmp_path):
    with Log.open(tmp_path) as log:
        for kind in ("ok", "infeasible", "failed"):
            record = log.asked(proposal(), ask_s=0)
            ended(log, record.number, kind)
        log.asked(proposal(), ask_s=0)
        assert log.records.trained(last=1) == 3
    assert Records().trained(last=1) == 0
