"""benchmarks/published_tables.py: files as others published them become tables that strategies run on."""

import io
import json
import tarfile

import pytest

from benchmarks.published_tables import write
from config import compose, typed
from evaluators.table import load_table


@pytest.fixture
def macro_file(tmp_path):
    found = {
        "02": {"test_acc": [89.5, 88.9], "mean_acc": 89.2, "std": 0.3, "params": 890_666, "flops": 47_327_744},
        "11": {"test_acc": [92.2, 92.4], "mean_acc": 92.3, "std": 0.1, "params": 2_181_386, "flops": 65_012_224},
    }
    (tmp_path / "macro.json").write_text(json.dumps(found))
    return tmp_path / "macro.json"


@pytest.fixture
def accel_file(tmp_path):
    def training(kernel, top1, *, excited=False, throughput=2000.0):
        return {
            "architecture": {"block0_e": 4, "block0_k": kernel, "block0_l": 1, "block0_se": excited},
            "metrics": {"val_top1": top1, "val_top5": 84.0, "train_time": 1500.0},
            "model_info": {"macs": 369.0, "params": 4.0},
            "platform_perf": {
                "latency_zcu102": {"latency_mean": 5.0, "latency_std": None},
                "latency_vck190": {"latency_mean": 3.0, "latency_std": None},
                "throughput_a100": {"throughput_mean": throughput},
                "throughput_3090": {"throughput_mean": 1000.0},
            },
        }

    trainings = [training(3, 60.0), training(5, 62.0, excited=True), training(3, 61.0), training(5, 63.0, throughput=None)]
    with tarfile.open(tmp_path / "accel.tar.gz", "w:gz") as archive:
        for place, found in enumerate(trainings):
            content = json.dumps(found).encode()
            entry = tarfile.TarInfo(f"jsons/result_{place}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return tmp_path / "accel.tar.gz"


def table(name, file, folder):
    write(name, file, folder)
    with compose([f"+table={name}"], config_dir=folder) as conf:
        return load_table(name, typed(conf.table))


def test_macro_has_a_block_for_each_layer_and_the_accuracy_of_each_seed(macro_file, tmp_path):
    found = table("macro", macro_file, tmp_path / "tables")
    assert {hole.name: hole.options for hole in found.space.holes()} == {
        "layer0": ("identity", "mb3_k3"),
        "layer1": ("mb3_k3", "mb6_k5"),
    }
    row = found.row(found.space.fill({"layer0": "identity", "layer1": "mb6_k5"}).arch)
    assert row.measurements == {"macs_g": 0.047327744, "params_m": 0.890666}
    assert sorted(found.scores(1).values()) == pytest.approx([89.2, 92.3])


def test_accel_leaves_out_what_was_not_timed_everywhere_and_takes_a_second_training_for_a_seed(accel_file, tmp_path):
    found = table("accel", accel_file, tmp_path / "tables")
    assert [arch.arch["block0_k"] for arch in found.space.enumerate()] == [3, 5]
    assert list(found.scores(1).values()) == pytest.approx([60.5, 62.0])
    row = found.row(found.space.fill({"block0_e": 4, "block0_k": 5, "block0_l": 1, "block0_se": "se"}).arch)
    assert row.measurements == {"latency_ms": 0.5, "params_m": 4.0, "macs_g": 0.369}


@pytest.mark.parametrize("name", ["macro", "accel"])
def test_another_file_is_refused(name, macro_file, accel_file, tmp_path):
    other = {"macro": accel_file, "accel": macro_file}[name]
    with pytest.raises(ValueError, match=f"cannot be read as {name}; expected "):
        write(name, other, tmp_path / "tables")
    empty = tmp_path / "empty"
    if name == "macro":
        empty.write_text("{}")
    else:
        tarfile.open(empty, "w:gz").close()
    with pytest.raises(ValueError, match=f"cannot be read as {name}; expected "):
        write(name, empty, tmp_path / "tables")
