"""`python -m report export`: what is written is what the trial was, and everything that cannot be written says why."""

import copy
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import onnxruntime
import pytest
import torch
import yaml
from commands import finished
from PIL import Image
from torch import nn

from config import compose
from config import load as run_of
from evaluators.data.scenes import Scenes
from evaluators.formats.agreement import Disagrees, agreed, arrays, eager, probe
from evaluators.formats.torch_export import load_program
from evaluators.latency import CannotRun
from evaluators.latency.torch import Torch
from report.commands import export as command
from report.export.command import Wanted, export
from report.export.formats import EXPORTS
from report.export.measured import Column, claimed, rows, timed
from report.export.member import checkpoint, chosen, knee, loaded
from report.export.rebuilt import parts
from report.export.running import FileNetwork
from report.front import compare
from report.retrain import to_train
from report.run import load
from space import Arch
from space.weights import read

ROOT = Path(__file__).parents[3]


def weights_of(run_dir, number):
    run = load(run_dir)
    return read(checkpoint(run, run.trials[number])).network()


@pytest.mark.slow
def test_every_format_holds_the_network_and_is_measured_again(run_dir, tmp_path):
    """Whatever is registered: all of them at once, through the command line's way, unfolded."""
    out = tmp_path / "out"
    done = export(Wanted(run_dir, "baseline", tuple(EXPORTS), out, images=3))
    assert not done.refused
    assert set(done.exported) == set(EXPORTS)
    assert all(file.stat().st_size for form in done.exported.values() for file in form.files)
    columns = {column.name: column.measurements for column in done.columns}
    assert list(columns) == ["claimed", "eager", "onnx", "torch"]
    for name in ("eager", "onnx", "torch"):
        assert columns[name]["latency_ms"] > 0
        assert columns[name]["miou"] == pytest.approx(columns["eager"]["miou"], abs=1e-3)

    network, image = weights_of(run_dir, 0), probe((32, 32), 2)
    expected = eager(network, image)
    session = onnxruntime.InferenceSession(out / "model.onnx")
    assert agreed(expected, session.run(None, {"image": image.numpy()})) < 1e-4
    with torch.inference_mode():
        assert agreed(expected, arrays(load_program(out / "model.pt2")(image))) < 1e-4

    card = (out / "README.md").read_text()
    assert card == (out / "hf" / "README.md").read_text()
    told = (
        "| | claimed | eager | onnx | torch |",
        "first 3 of 6 validation images",
        "A short schedule ranks candidates",
        "Example CPU",
    )
    assert [text for text in told if text not in card] == []
    loader = card.split("```python\n")[1].split("```")[0]
    found = run_lines(f"{loader}\nimport torch; torch.save(network(torch.load('image.pt')), 'output.pt')", out, image)
    torch.testing.assert_close(found, torch.from_numpy(expected[0]))
    lines = "from modeling_paredown import load\nimport torch\ntorch.save(load()(torch.load('image.pt')), 'output.pt')"
    torch.testing.assert_close(run_lines(lines, out / "hf", image), torch.from_numpy(expected[0]))

    # The documented script on a photograph, as a user without Paredown runs it.
    photo = ROOT / "evaluators" / "data" / "embedded" / "photos" / "coffee.jpg"
    script = [sys.executable, str(ROOT / "docs" / "run_onnx.py"), "model.onnx", str(photo), "labels.png"]
    assert "class " in subprocess.run(script, cwd=out, capture_output=True, text=True, check=True).stdout
    with Image.open(out / "labels.png") as labels, Image.open(photo) as original:
        assert labels.size == original.size


def run_lines(lines, folder, image):
    """Run a script in a folder as its reader would, and read back what it saved."""
    torch.save(image, folder / "image.pt")
    script = folder / "lines.py"
    script.write_text(lines)
    finished(str(script), folder=folder)
    script.unlink()
    return torch.load(folder / "output.pt").detach()


def test_a_folded_network_computes_the_same_with_less(run_dir, tmp_path):
    out = tmp_path / "out"
    done = export(Wanted(run_dir, "1", ("arch", "safetensors"), out, fold=True))
    columns = {column.name: column.measurements for column in done.columns}
    assert columns["eager"]["macs_g"] < columns["unfolded"]["macs_g"]
    assert columns["eager"]["miou"] == pytest.approx(columns["unfolded"]["miou"], abs=1e-3)
    assert Arch.from_yaml(out / "arch.yaml").arch["decoder"]["fusion"] == "sum"
    lines = (out / "README.md").read_text().split("```python\n")[1].split("```")[0]
    image = probe((32, 32), 2)
    found = run_lines(f"{lines}\nimport torch; torch.save(network(torch.load('image.pt')), 'output.pt')", out, image)
    assert agreed(eager(weights_of(run_dir, 1), image), arrays(found)) < 1e-4


def test_best_knee_and_numbers(run_dir):
    run = load(run_dir)
    comparison = compare(run)
    found = {name: chosen(run, comparison, name).trial.number for name in ("best", "knee", "baseline", "2")}
    assert found == {"best": 0, "knee": 1, "baseline": 0, "2": 2}
    assert knee(comparison.front[:1], run.goals) is comparison.front[0]


def test_the_arch_file_is_what_search_archs_reads(run_dir):
    done = export(Wanted(run_dir, "knee", ("arch",)))
    (file,) = done.exported["arch"].files
    assert file == run_dir / "export" / "trial_1" / "arch.yaml"
    assert Arch.from_yaml(file) == load(run_dir).trials[1].arch


def test_without_a_checkpoint_the_architecture_is_written_and_the_rest_says_how(run_dir, capsys):
    with pytest.raises(ValueError, match=r"--to safetensors,torch: trial 2 .* kept no checkpoint.*search=archs") as error:
        command([str(run_dir), "--trial", "2", "--to", "arch,safetensors,torch"])
    folder = run_dir / "export" / "trial_2"
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "arch.yaml"]
    assert f"search.archs=[{folder / 'arch.yaml'}]" in str(error.value)
    assert "--weights none" in str(error.value)
    assert "Architecture only" in (folder / "README.md").read_text()


def test_untrained_weights_are_called_so(run_dir):
    done = export(Wanted(run_dir, "2", ("safetensors",), weights="none"))
    assert "miou" not in done.columns[1].measurements
    assert "No trained weights" in done.cards[0].read_text()


def test_in_an_untrained_network_a_wrong_form_would_be_seen(run_dir):
    run = load(run_dir)
    module = loaded(chosen(run, compare(run), "2"), source="none", input_size=(32, 32), classes=5).module
    image, wrong = probe((32, 32)), copy.deepcopy(module)
    next(part for part in wrong.modules() if isinstance(part, nn.Conv2d)).weight.data[0] *= 2
    with pytest.raises(Disagrees):
        agreed(eager(module, image), eager(wrong, image))


def test_a_file_for_one_image_is_not_timed_in_batches():
    network = FileNetwork(nn.Identity(), batch_size=1)
    with pytest.raises(CannotRun, match=r"torch cannot run it: the file takes 1 image at a time, the run times batches of 2 \("):
        timed(Torch(device="cpu", threads=1, batch_size=2), network, nn.Identity(), (8, 8))


def test_figures_of_another_seed_that_went_further_are_not_the_trials_own(run_dir):
    lines = (run_dir / "trials.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    further = [{**event, "number": 3, **({"trial": 3, "seed": 1, "rung": 2} if event["event"] == "asked" else {})}
               for event in events if event.get("number") == 1]  # fmt: skip
    further.insert(-1, {**further[-2], "rung": 2, "measurements": {"miou": 0.9, "pixel_accuracy": 0.9, "loss": 0.1}})
    (run_dir / "trials.jsonl").write_text("".join(json.dumps(event) + "\n" for event in [*events, *further]))
    run = load(run_dir)
    assert compare(run).rung == 2
    shown = {number: claimed(chosen(run, compare(run), number)).measurements["miou"] for number in ("1", "3")}
    assert shown == {"1": 0.28, "3": 0.9}


def test_a_checkpoint_of_another_trial_is_refused(run_dir):
    other = run_dir / "checkpoints" / "1" / "rung_1.pt"
    with pytest.raises(ValueError, match=r"--weights: .*rung_1\.pt is of Arch\(segformer \w+\), but trial 0 is Arch"):
        export(Wanted(run_dir, "baseline", ("safetensors",), weights=str(other)))


def test_one_format_that_cannot_hold_it_leaves_the_others(run_dir, monkeypatch):
    def refuse(self, found, member, folder):
        raise ValueError("aten.odd in stage1 cannot be written as ONNX: no such operator")

    monkeypatch.setattr(EXPORTS["onnx"], "write", refuse)
    done = export(Wanted(run_dir, "baseline", ("onnx", "safetensors"), measure=False))
    assert (list(done.exported), list(done.refused)) == (["safetensors"], ["onnx"])
    assert "onnx: not written. aten.odd in stage1" in done.cards[0].read_text()


def test_a_yaml_of_ones_own_is_known_by_its_keys(run_dir):
    data = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(Scenes(val_count=7)).items()}
    conf = load(run_dir).conf
    conf = {**conf, "choices": {**conf["choices"], "data": "garden"}, "data": data}
    assert parts(conf).data == Scenes(val_count=7)
    with pytest.raises(ValueError, match="data 'garden' is of no known kind; known: ade20k"):
        parts({**conf, "data": {"trees": 3}})


@pytest.mark.parametrize("space", ["segformer_b0", "metaformer", "yolox", "pet"])
def test_a_config_as_a_search_leaves_it_gives_its_parts(space, tmp_path):
    """Every key that is written, those of nested dataclasses (schedule.distill) too."""
    with compose([f"+space={space}", "schedule=smoke", "schedule.distill.features=0.5", f"results={tmp_path}"]) as conf:
        run = run_of(conf)
    found = parts(yaml.safe_load(yaml.safe_dump(run.conf)))
    made = run.evaluation
    assert (found.task, found.data, found.schedule, found.latency) == (made.task, made.data, made.schedule, made.latency)


def test_a_metric_that_is_also_an_objective_has_one_line():
    columns = [Column("claimed", "", {"miou": 0.3, "latency_ms": 9.0})]
    assert [label for label, _ in rows(columns, {"miou": "max", "latency_ms": "min"})] == ["mIoU", "Latency"]


def test_a_file_is_no_folder_to_write_to(run_dir, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match=r"--out: .*taken is a file; expected a folder"):
        command([str(run_dir), "--out", str(tmp_path / "taken")])


def test_what_trains_it_again_has_the_data_and_size_of_the_run(run_dir):
    told = to_train(load(run_dir), "arch.yaml")
    for said in ("+space=segformer", "search.archs=[arch.yaml]", "task=segmentation", "data=scenes", "space.input_size=[32,32]"):
        assert said in told


def test_data_that_are_not_here_leave_the_timing(run_dir):
    conf = yaml.safe_load((run_dir / "config.yaml").read_text())
    conf["choices"]["data"], conf["data"] = "folder", {"root": "/nowhere"}
    (run_dir / "config.yaml").write_text(yaml.safe_dump(conf))
    done = export(Wanted(run_dir, "baseline", ("safetensors",)))
    assert done.exported
    assert any(note.startswith("Not ") and "nowhere" in note for note in done.notes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "onx"], "--to: unknown export format 'onx'; known: arch, .* Did you mean 'onnx'"),
        (["--to", ","], "--to: nothing was named"),
        (["--trial", "knne"], "--trial: 'knne'; .*Did you mean 'knee'"),
        (["--trial", "9"], "--trial: no trial 9 in segformer / small; it has 3, 0 to 2"),
        (["--to", "arch", "--fold"], "--fold: the formats named hold no weights"),
        (["--to", "torch", "--size", "0", "32"], "--size: 0 x 32; expected"),
        (["--to", "torch", "--images", "0"], "--images: 0; expected 1 or more"),
        (["--to", "torch", "--weights", "nowhere.pt"], "nowhere.pt: no such file"),
    ],
)
def test_bad_input_is_told_before_anything_is_written(run_dir, arguments, message):
    with pytest.raises(ValueError, match=message):
        command([str(run_dir), *arguments])
    assert not (run_dir / "export").exists()


def test_a_size_that_the_network_does_not_take_is_told_before_anything_is_written(run_dir, monkeypatch):
    monkeypatch.setattr("report.export.member._filled", lambda *_: nn.Conv2d(3, 5, 40))
    with pytest.raises(ValueError, match=r"--size: 16 x 24; the network does not take it: .*Nothing was written"):
        command([str(run_dir), "--to", "arch,torch", "--size", "16", "24"])
    assert not (run_dir / "export").exists()


def test_a_format_that_is_not_installed_names_the_extra(run_dir, monkeypatch):
    monkeypatch.setattr(EXPORTS["onnx"], "packages", ("no_such_package",))
    with pytest.raises(ValueError, match=r"--to onnx: no_such_package not installed; pip install 'paredown\[onnxruntime\]'"):
        export(Wanted(run_dir, formats=("onnx",)))


def test_a_run_without_trials(run_dir):
    (run_dir / "trials.jsonl").write_text(json.dumps({"event": "started", "at": 1.7e9}) + "\n")
    with pytest.raises(ValueError, match="no trials yet"):
        export(Wanted(run_dir))
