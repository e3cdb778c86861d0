"""Importance of choices in a finished search: what went with the result is found, and what it is, is said."""

import random

import report
from report.importance import ENOUGH, choices, importances
from report.run import load


def search(writer, variant_of, members):
    run, rng = writer(f"search{members}"), random.Random(0)
    for _ in range(members):
        arch = variant_of(rng)
        pooled = arch.arch["stage2"]["mixer"]["name"] == "pool"
        run.trial(arch, latency=100.0, miou=0.3 + 0.05 * pooled + rng.gauss(0, 0.002))
    run.finish()
    return run.directory


def test_the_choice_that_decides_is_the_most_important(writer, variant_of):
    directory = search(writer, variant_of, 60)
    (found,) = importances(load(directory))  # latency is the same everywhere
    assert found.name == "miou"
    assert found.shares[0][0].startswith("stage2.mixer")
    assert found.predicts > 0.5
    page = report.write(directory).read_text(encoding="utf-8")
    assert "Observational" in page
    assert "stage2.mixer" in page


def test_few_members_and_unfinished_searches_tell_nothing(writer, variant_of):
    directory = search(writer, variant_of, ENOUGH // 3)
    assert importances(load(directory)) == ()
    assert "Observational" not in report.write(directory).read_text(encoding="utf-8")


def test_what_never_differs_or_differs_alike_is_no_choice():
    archs = [{"a": "1", "b": "x", "c": "5", "a.1.d": "7"}, {"a": "2", "b": "y", "c": "5"}]
    assert choices(archs) == {"a": ["1", "2"]}
