"""Runs against each other: figures worked out by hand, and the files."""

import math
import random

import pytest

from report.commands import main
from report.compare import contest, covered, surface
from report.compare_page import write_compare_html
from report.effort import Effort
from report.run import load


def arch(variant_of, seed):

    return variant_of(random.Random(seed))


def write(writer, variant_of, name, points, **search):
    run = writer(name, **search)
    for n, (latency, miou) in enumerate(points):
        run.trial(arch(variant_of, n), latency=latency, miou=miou)
    run.finish()
    return load(run.directory)


def test_coverage_counts_equals_and_is_not_symmetric():
    assert covered([(1, 1)], [(1, 1), (2, 2), (0, 3)]) == pytest.approx(2 / 3)
    assert covered([(0, 3)], [(1, 1)]) == 0
    assert math.isnan(covered([(1, 1)], []))


def test_attainment_by_hand():
    fronts = [[(0.0, 4.0), (2.0, 1.0)], [(1.0, 3.0)], [(3.0, 0.0)]]
    assert surface(fronts, 1 / 3) == ((0.0, 4.0), (1.0, 3.0), (2.0, 1.0), (3.0, 0.0))
    assert surface(fronts, 2 / 3) == ((1.0, 4.0), (2.0, 3.0), (3.0, 1.0))
    assert surface(fronts, 1.0) == ((3.0, 3.0),)
    assert surface([fronts[0]], 0.5) == tuple(fronts[0])


def test_hypervolume_is_counted_from_one_reference(writer, variant_of):
    better = write(writer, variant_of, "better", [(100, 0.3), (50, 0.28)])
    worse = write(writer, variant_of, "worse", [(100, 0.29), (60, 0.2)])
    found = contest([better, worse])
    first, second = found.contenders
    assert first.volume > second.volume > 0
    assert found.coverage[0][1] == 1
    assert found.coverage[1][0] == 0
    assert found.reference_values["latency_ms"] > 100
    assert found.reference_values["miou"] < 0.2


def test_seeds_are_a_group_and_other_settings_are_not(writer, variant_of):
    points = [(100, 0.3), (50, 0.28)]
    runs = [write(writer, variant_of, f"search.seed={seed}", points, seed=seed) for seed in range(3)]
    runs.append(write(writer, variant_of, "other", points, limits={}))
    groups = contest(runs).groups
    assert [len(group.contenders) for group in groups] == [3, 1]
    assert groups[0].label == "search.seed (3 runs)"
    assert groups[0].surfaces[0.5]


def test_other_objectives_do_not_compare(writer, variant_of):
    one = write(writer, variant_of, "one", [(100, 0.3)])
    other = write(writer, variant_of, "other", [(100, 0.3)], objectives={"miou": "max", "params_m": "min"})
    with pytest.raises(ValueError, match="fronts do not compare"):
        contest([one, other])


def test_training_is_charged_in_the_order_of_the_asks_until_a_volume_was_there(writer, variant_of):
    stopped = writer("stopped")
    for n, miou in enumerate((0.1, 0.2)):
        stopped.trial(arch(variant_of, n), latency=100 - 20 * n, miou=miou, rungs=1)
    last = stopped.ask(arch(variant_of, 1), rung=3, continues=1)
    for rung, miou in ((2, 0.25), (3, 0.3)):
        stopped.rung(last, rung, miou=miou, train_s=1.0)
    stopped.end(last, "ok", "")
    refused = stopped.ask(arch(variant_of, 3))
    stopped.end(refused, "infeasible", "params_m 50 > 40")
    whole = write(writer, variant_of, "whole", [(200, 0.1), (90, 0.29), (80, 0.28)], limits={})
    found = contest([load(stopped.directory), whole])
    first, second = found.contenders
    assert [epochs for epochs, _ in first.effort.steps] == [1 + 1 + 8]
    assert first.effort.epochs == 10
    assert [epochs for epochs, _ in second.effort.steps] == [9, 18, 27]
    assert second.effort.steps[-1][1] == second.volume
    assert found.epochs_until(first, second) == 10
    assert found.epochs_until(second, first) is None


def test_many_objectives_are_drawn_at_some_places_and_found_exactly():
    rng = random.Random(0)
    found = tuple((float(n), (1 - n / 400 + rng.random() / 900, rng.random(), rng.random())) for n in range(1, 301))
    told = Effort(found, (2.0, 2.0, 2.0), 300.0)
    assert len(told.steps) <= 61
    assert told.steps[-1] == (300.0, told.volume(300))
    for count in (1, 17, 300):
        volume = told.volume(count)
        first = next(n for n in range(1, 301) if told.volume(n) >= volume)
        assert told.until(volume) == float(first)
    assert told.until(told.volume(300) * 1.01) is None


def test_the_command_writes_its_files(writer, variant_of, tmp_path, capsys):
    runs = [write(writer, variant_of, f"run{n}", [(100, 0.3), (50 + n, 0.28)]) for n in range(2)]
    main(["compare", *(str(run.directory) for run in runs), "--to", str(tmp_path / "out")])
    told = capsys.readouterr().out
    assert "Coverage" in told
    assert "epochs until" in told
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "run1" in page
    assert "http" not in page
    assert (tmp_path / "out" / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_has_no_front_yet_stands_beside_the_others(writer, variant_of, tmp_path):
    ready = write(writer, variant_of, "ready", [(100, 0.3), (50, 0.28)])
    found = contest([ready, load(writer("begun").directory)])
    assert write_compare_html(found, tmp_path / "compare.html").is_file()


def test_no_front_is_an_error(writer):
    with pytest.raises(ValueError, match="no front to compare"):
        contest([load(writer("empty").directory)])
