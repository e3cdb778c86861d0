"""Latency tables and the predictor fitted to them: on a table that is written here, of a network whose latency is a known sum."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config import compose, load_space
from evaluators.cost import measure_cost
from evaluators.latency import CannotRun, LatencyBench
from evaluators.latency.__main__ import file_name
from evaluators.latency._measuring import Measuring
from evaluators.latency._members import members
from evaluators.latency._predictor import LEAST, MODELS, Predictor
from evaluators.latency._table import WORK, WORK_CODE, LatencyTable, Writer, arch_of, measurement
from evaluators.latency._work import counting, work_of
from evaluators.latency.predicted import Predicted, digest, model_chosen, stated_beside
from evaluators.latency.torch import Torch
from evaluators.latency.torch_compile import TorchCompile

SIZE = (64, 64)
NARROW = [f"space.input_size=[{SIZE[0]},{SIZE[1]}]", "space.arch.stage1.mixer=pool", "space.arch.stage2.mixer=pool"]
COUNT = 30


@pytest.fixture(scope="module")
def space():
    with compose(overrides := ["+space=segformer_b0", *NARROW]) as conf:
        return load_space(conf, "segformer_b0", overrides)


def ratio_of(work):
    """Additive, as on a device that runs one operator after the other."""
    paces = {"convolution_1x1.macs_g": 3.0, "matrix.macs_g": 5.0, "gelu.traffic_mb": 0.02, "upsample_bilinear2d.traffic_mb": 0.05}
    return sum(pace * work.get(name, 0.0) for name, pace in paces.items()) + work["calls"] / 1000


def figures(ratio, **changed):
    told = {f"latency{end}_ms": ratio * 50 for end in ("", "_low", "_high")} | {
        f"latency_ratio{e}": ratio for e in ("", "_low", "_high")
    }
    key = {**Torch(device="cpu", threads=1).facts(), "latency_batch_size": 1, "latency_input_size": "64x64"}
    return {**told, **key, "baseline_latency_ms": 50.0, "baseline_spread": 0.0, "latency_disturbed": 0, **changed}


def write(path, space, count=COUNT, **changed):
    for member in members(space, count):
        work = work_of(member.arch, input_size=SIZE, classes=20)
        facts = {"classes": 20, "baseline_id": space.baseline.id}
        Writer(path, space).add(member, work=work, found=figures(ratio_of(work), **changed), facts=facts)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory, space):
    return write(tmp_path_factory.mktemp("table") / "table.csv", space)


def test_any_beginning_of_the_members_has_the_baseline_and_each_once(space):
    whole = members(space, COUNT)
    assert [m.arch.id for m in members(space, 10)] == [m.arch.id for m in whole[:10]]
    assert (whole[0].kind, whole[0].arch) == ("baseline", space.baseline)
    assert len({m.arch.id for m in whole}) == COUNT
    assert {m.kind for m in whole} >= {"random"}


def test_what_is_written_is_read(written, space):
    table = LatencyTable.read(written)
    row = table.members[space.baseline.id]
    assert arch_of(row) == space.baseline
    assert measurement(row) == figures(row["latency_ratio"])
    assert table.key["latency_threads"] == 1
    assert table.baseline_ms == 50
    assert written.read_text().startswith("arch_id,member,note,norm_layout,stage1.depth")


def test_the_row_beside_the_faster_baseline_counts_and_a_torn_line_does_not(tmp_path, space):
    path = write(tmp_path / "t.csv", space, 3)
    member = members(space, 3)[2]
    slow = figures(9.0, baseline_latency_ms=99.0)
    Writer(path, space).add(member, work={"calls": 1.0}, found=slow, facts={"classes": 20, "baseline_id": "x"})
    with path.open("a") as file:
        file.write("half a row")
    table = LatencyTable.read(path)
    assert len(table.rows) == 4
    assert table.members[member.arch.id]["latency_ratio"] != 9.0
    Writer(path, space).mend()
    assert path.read_text().endswith("\n")


@pytest.mark.parametrize(("text", "said"), [(None, "no latency table to read"), ("a,b\n1,2\n", "it has no column arch_id")])
def test_what_is_no_table_is_refused(tmp_path, text, said):
    path = tmp_path / "t.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=said):
        LatencyTable.read(path)


def test_the_predictor_finds_a_sum_and_its_error_is_of_members_left_out(written, space):
    predictor = Predictor(LatencyTable.read(written))
    said = predictor.error()
    assert said["median_error_percent"] < 2
    assert said["spearman"] > 0.98
    assert said["held_out"] >= LEAST
    rng = random.Random("unseen")
    for arch in (space.sample(rng) for _ in range(3)):
        work = work_of(arch, input_size=SIZE, classes=20)
        found = predictor(arch, work)
        assert found.ratio == pytest.approx(ratio_of(work), rel=0.1)
        assert found.low <= found.ratio <= found.high


@pytest.mark.parametrize("name", MODELS.names())
def test_every_model_knows_what_it_was_fitted_to_better_than_the_mean(name, written):
    data = Predictor(LatencyTable.read(written)).data
    said = data.model(name).predict(data.chosen, data.counted)
    assert (said > 0).all()
    assert abs(said / data.ratios - 1).mean() < abs(data.ratios.mean() / data.ratios - 1).mean()


def test_what_all_members_do_alike_is_a_constant_and_what_none_does_is_nothing():
    counted = np.array([[x, 5.0, 0.0] for x in np.linspace(1, 3, LEAST)])
    ratios = 0.2 * counted[:, 0] + 0.3
    model = MODELS["operators"]().fit(counted, counted, ratios)
    assert model.predict(counted, counted) == pytest.approx(ratios, rel=1e-2)
    assert model.predict(counted, np.array([[2.0, 5.0, 9.0]])) == pytest.approx([0.7], rel=1e-2)


def test_too_few_members_are_refused(tmp_path, space):
    with pytest.raises(ValueError, match=rf"5 members were measured; a predictor needs {LEAST}"):
        Predictor(LatencyTable.read(write(tmp_path / "t.csv", space, 5)))


def test_work_is_counted_and_views_are_not(space):
    work = work_of(space.baseline, input_size=SIZE, classes=20)
    assert {"convolution.macs_g", "convolution_1x1.macs_g", "matrix.macs_g", "attention.macs_g", "gelu.traffic_mb"} < set(work)
    assert not [name for name in work if name.startswith(("view", "permute", "transpose"))]
    twice = work_of(space.baseline, input_size=(SIZE[0] * 2, SIZE[1]), classes=20)
    assert twice["convolution.macs_g"] == pytest.approx(2 * work["convolution.macs_g"])
    assert twice["calls"] == work["calls"]


def test_work_is_all_that_cost_counts(space):
    work = work_of(space.baseline, input_size=SIZE, classes=20)
    told = measure_cost(space.baseline, input_size=SIZE, classes=20)
    assert sum(of for name, of in work.items() if name.endswith(".macs_g")) == pytest.approx(told["macs_g"])
    traffic = told["weight_traffic_mb"] + told["activation_traffic_mb"]
    assert sum(of for name, of in work.items() if name.endswith(".traffic_mb")) == pytest.approx(traffic)


@pytest.mark.parametrize("change", [{WORK_CODE: "another"}, {WORK_CODE: None}, {WORK_CODE: counting(), WORK: None}], ids=str)
def test_work_that_another_code_counted_is_counted_again(written, space, tmp_path, change):
    """A table of an older version: its columns mean something else, it does not say which, or has others."""
    true, path = Predictor(LatencyTable.read(written)), tmp_path / "t.csv"
    with written.open(newline="") as file:
        rows = [{**row, WORK: '{"calls":1}', WORK_CODE: "older", **change} for row in csv.DictReader(file)]
    columns = [name for name in rows[0] if rows[0][name] is not None]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    assert Predictor(LatencyTable.read(path)).data.counted == pytest.approx(true.data.counted)
    assert Measuring(space, Torch(device="cpu"), 20, path)._choices() == [hole.name for hole in space.holes()]


def test_which_model_is_best_is_asked_anew_where_work_is_counted_otherwise(written, monkeypatch):
    content = digest(written)
    monkeypatch.setattr("evaluators.latency.predicted.counting", lambda: "another code")
    assert digest(written) != content


def test_another_versions_member_that_cannot_be_built_is_named(tmp_path, space):
    path = write(tmp_path / "t.csv", space, LEAST)
    path.write_text(path.read_text().replace("work_code", "work_old").replace('""name"":""pool""', '""name"":""gone""'))
    with pytest.raises(ValueError, match=r"t\.csv: written by another version.*its member \w{8} \(.*'gone'.*measure a new table"):
        Predictor(LatencyTable.read(path))


def compiled(path, space, mode):
    """A table of torch.compile in this mode; '' is one that does not say which."""
    options = {"latency_option_mode": mode} if mode else {}
    return write(path, space, LEAST, **{**TorchCompile(device="cpu", threads=1).facts(), **options})


def test_a_mode_is_in_the_key_and_another_one_measures_again(tmp_path, space):
    backends = [TorchCompile(device="cpu", threads=1, mode=mode) for mode in ("default", "max-autotune")]
    assert [backend.key(SIZE)["latency_option_mode"] for backend in backends] == ["default", "max-autotune"]
    assert file_name("s", backends[0], SIZE) != file_name("s", backends[1], SIZE)
    path = compiled(tmp_path / "t.csv", space, "max-autotune")
    with pytest.raises(ValueError, match=r"measured with mode max-autotune, here it is default; allowed: .*--out"):
        Measuring(space, backends[0], 20, path).known()
    assert len(Measuring(space, backends[1], 20, path).known().rows) == LEAST
    unsaid = tmp_path / "old.csv"
    unsaid.write_text(path.read_text().replace("latency_option_mode", "x"))
    with pytest.raises(ValueError, match=r"measured with mode \(not recorded\), here it is max-autotune"):
        Measuring(space, backends[1], 20, unsaid).known()
    with pytest.raises(ValueError, match=r"latency\.table: .* measured with mode \(not recorded\), this run has default"):
        predicted(unsaid).check_here()


def test_what_a_table_does_not_tell_is_measured_in_its_mode(tmp_path, space):
    backend = predicted(compiled(tmp_path / "t.csv", space, "reduce-overhead"))
    assert backend.measuring.mode == backend.facts()["latency_option_mode"] == "reduce-overhead"
    assert replace(backend, runtime="torch").measuring.options == {}


def predicted(written, **options):
    return Predicted(table=str(written), threads=1, **options)


def test_a_member_of_the_table_has_what_was_measured(written, space):
    row = LatencyTable.read(written).members[space.baseline.id]
    assert predicted(written).foretold(space.baseline) == {**measurement(row), "latency_predicted": 0}


def test_another_is_predicted_where_the_interval_is_narrow_and_the_choices_are_known(written, space):
    arch = next(a for a in (space.sample(random.Random(n)) for n in range(99)) if a.id not in LatencyTable.read(written).members)
    told = predicted(written, unsure=9.0).foretold(arch)
    if told is None:  # the draw has a choice that no row has
        told = predicted(written, away=True).foretold(arch)
    assert told["latency_predicted"] == 1
    assert told["latency_ratio_low"] <= told["latency_ratio"] <= told["latency_ratio_high"]
    assert told["latency_ms"] == pytest.approx(told["latency_ratio"] * 50)
    assert told["latency_level"] == 0.9
    assert predicted(written, unsure=1e-9).foretold(arch) is None


def test_a_choice_that_the_table_never_saw_is_measured(written, space):
    with compose(["+space=segformer_b0"]) as conf:
        whole = load_space(conf, "segformer_b0", [])
    assert whole.baseline.arch["stage1"]["mixer"]["name"] == "attention"
    changed = next(c.arch for c in whole.changes(whole.baseline) if (c.name, c.after) == ("stage1.mixer", "channel_attention"))
    assert predicted(written, unsure=9.0).foretold(changed) is None
    assert predicted(written, away=True).foretold(changed)["latency_unsure"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"table": ""}, r"latency\.table: not given"),
        ({"table": "nowhere.csv"}, r"nowhere\.csv: no latency table to read"),
        ({"threads": 7}, r"threads 1, this run has 7; allowed: latency\.threads=1"),
        ({"precision": "bf16"}, r"precision fp32, this run has bf16"),
        ({"batch_size": 2}, r"batch_size 1, this run has 2"),
        ({"runtime": "torch_compile"}, r"backend torch, this run has torch_compile|C\+\+|compiler"),
    ],
)
def test_a_table_of_something_else_is_refused(written, options, said):
    with pytest.raises(ValueError, match=said):
        replace(predicted(written), **options).check_here()


def test_another_devices_table_is_taken_where_nothing_is_measured_here(tmp_path, space):
    path = write(tmp_path / "t.csv", space, LEAST, latency_device="chip")
    with pytest.raises(ValueError, match=r"device chip, this run has .*latency\.away=true"):
        predicted(path).check_here()
    away = predicted(path, away=True)
    away.check_here()
    told = away.foretold(space.baseline)
    assert (told["latency_predicted"], told["latency_away"]) == (0, 1)


def test_measured_again_another_devices_figures_stay_those_of_the_table(tmp_path, space):
    path = write(tmp_path / "t.csv", space, LEAST, latency_device="chip")
    known = [predicted(path, away=away) for away in (True, False)]
    benches = [LatencyBench(backend, lambda: None, SIZE) for backend in known]
    assert [bench.foretold("", space.baseline, again=True) for bench in benches] == [known[0].foretold(space.baseline), None]


def test_a_table_of_other_networks_is_refused(written, space):
    backend = predicted(written)
    backend.check_here()
    backend.check_for(space.baseline, SIZE, 20)
    with pytest.raises(ValueError, match="input_size 64x64, this run has 32x32"):
        backend.check_for(space.baseline, (32, 32), 20)
    with pytest.raises(ValueError, match="classes 20, this run has 3"):
        backend.check_for(space.baseline, SIZE, 3)


@pytest.mark.parametrize(
    ("options", "said"), [({"unsure": 0}, r"latency\.unsure is 0"), ({"runtime": "predicted"}, r"latency\.runtime")]
)
def test_bad_options_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Predicted(**options)


class Bench:
    """Measures nothing: what the machine would say, by the order of the asks; the third cannot be run."""

    def __init__(self, slow=()):
        self.asked, self.slow = 0, slow

    def measure(self, name, candidate):
        self.asked += 1
        if self.asked == 3:
            raise CannotRun("torch", "no kernel")
        return figures(1.0, baseline_latency_ms=500.0 if self.asked in self.slow else 50.0)


def measuring(path, space, bench):
    made = Measuring(space, Torch(device="cpu", threads=1), 20, path)
    made.__dict__["bench"] = bench
    return made


def test_a_reason_of_several_lines_tears_no_row(tmp_path, space):
    path = write(tmp_path / "t.csv", space, 2)
    facts = {"classes": 20, "baseline_id": space.baseline.id}
    Writer(path, space).add(members(space, 3)[2], work={}, found={}, facts=facts, why="no kernel\nfor this, there")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    Writer(path, space).mend()
    assert path.read_bytes().count(b"\n") == 3  # the heading and two rows
    path.write_bytes(whole)
    assert LatencyTable.read(path).rows[2]["error"] == "no kernel for this, there"


def test_a_table_goes_on_where_it_was_stopped_and_doubtful_members_are_measured_again(tmp_path, space, monkeypatch):
    monkeypatch.setattr(Measuring, "key", property(lambda self: {**figures(1), **self.facts}))
    path, wanted, seen = tmp_path / "t.csv", members(space, 8), []

    def told(done, member, found, why):
        seen.append((done, why))
        if len(seen) == 5:
            raise KeyboardInterrupt

    first = Bench(slow=(2,))
    with pytest.raises(KeyboardInterrupt):
        measuring(path, space, first).run(wanted, told)
    assert (len(seen), seen[2]) == (5, (3, "torch cannot run it: no kernel"))
    second = Bench()
    second.asked = 10
    table = measuring(path, space, second).run(wanted, told)
    assert second.asked == 10 + 3 + 1  # those that were missing, and the one beside a slow baseline
    assert (len(table.rows), len(table.members), table.slowed) == (9, 7, [])
    assert table.members[wanted[1].arch.id]["baseline_latency_ms"] == 50


def test_a_file_of_something_else_is_not_extended(written, space, monkeypatch):
    made = measuring(written, space, Bench())
    monkeypatch.setattr(Measuring, "key", property(lambda self: {**figures(1, latency_threads=2), **self.facts}))
    with pytest.raises(ValueError, match=r"measured with threads 1, here it is 2.*--out"):
        made.known()


def test_the_choice_of_a_model_is_kept_only_for_the_same_table(tmp_path, space):
    path = write(tmp_path / "t.csv", space, 3)
    stated_beside(path).write_text(json.dumps({"model": "work", "table": digest(path)}))
    assert model_chosen(path, digest(path)) == "work"
    assert model_chosen(path, "changed") == ""
    assert model_chosen(Path("nowhere.csv"), "") == ""
