"""What was counted once is found again, by whoever asks."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import evaluators.cost as cost
from evaluators.cost.cache import CostCache
from space import Arch

ARCHES = Path(__file__).parents[2] / "conf" / "arch"
SMALL = {"input_size": [64, 96], "classes": 4}


def arch(name: str) -> Arch:
    return Arch.from_yaml(ARCHES / f"{name}.yaml")


@pytest.fixture
def measured(monkeypatch):
    """The ids that were really measured, by a stand-in that is quick."""
    ids = []

    def stand_in(arch: Arch, *, input_size: list[int], classes: int) -> dict[str, float | None]:
        ids.append(arch.id)
        return {"macs_g": input_size[0] * classes / 7, "macs_fvcore_g": None}

    monkeypatch.setattr(cost, "measure_cost", stand_in)
    return ids


def test_a_cost_is_computed_once_and_found_by_other_caches(tmp_path, measured):
    path, small = tmp_path / "deep" / "costs.jsonl", arch("segformer_b0")
    first = CostCache(path).measure(small, **SMALL)
    assert CostCache(path).measure(small, **SMALL) == first == {"macs_g": 64 * 4 / 7, "macs_fvcore_g": None}
    assert measured == [small.id]


def test_input_size_classes_and_arch_are_told_apart(tmp_path, measured):
    cache, small = CostCache(tmp_path / "costs.jsonl"), arch("segformer_b0")
    cache.measure(small, **SMALL)
    cache.measure(small, input_size=[96, 64], classes=4)
    cache.measure(small, input_size=[64, 96], classes=5)
    cache.measure(arch("boostformer_b0"), **SMALL)
    assert len(measured) == 4


def test_a_torn_line_costs_one_measurement(tmp_path, measured):
    path = tmp_path / "costs.jsonl"
    CostCache(path).measure(arch("segformer_b0"), **SMALL)
    CostCache(path).measure(arch("boostformer_b0"), **SMALL)
    path.write_bytes(path.read_bytes()[:-9])
    cache = CostCache(path)
    for name in ("boostformer_b0", "segformer_b0", "segformer_b2"):
        cache.measure(arch(name), **SMALL)
    assert len(measured) == 4
    again = CostCache(path)
    for name in ("boostformer_b0", "segformer_b0", "segformer_b2"):
        again.measure(arch(name), **SMALL)
    assert len(measured) == 4


def test_caches_see_each_other_while_they_run(tmp_path, measured):
    path, names = tmp_path / "costs.jsonl", [f"segformer_b{i}" for i in range(6)]
    early = CostCache(path)
    early.measure(arch(names[0]), **SMALL)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: CostCache(path).measure(arch(name), **SMALL), names))
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 6
    early.measure(arch(names[5]), **SMALL)
    assert len(measured) == 6


def test_the_fingerprint_follows_the_code(tmp_path, monkeypatch):
    (tmp_path / "extra_block.py").write_text("SIZE = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    prints = [CostCache(tmp_path / "c", plugins=plugins).fingerprint for plugins in ([], ["extra_block"])]
    (tmp_path / "extra_block.py").write_text("SIZE = 5\n")
    prints.append(CostCache(tmp_path / "c", plugins=["extra_block"]).fingerprint)
    assert len(set(prints)) == 3
    assert prints[0] == CostCache(tmp_path / "d").fingerprint
