"""Learning from a teacher: what is imitated in each task, who may teach, and that a teacher is part of what a training is."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from evaluators.api import Job
from evaluators.data import DATA
from evaluators.data.scenes import Scenes
from evaluators.distill.divergence import mean_where, of_chances, of_choices
from evaluators.distill.stages import shared, stages, watched
from evaluators.distill.teacher import located, teacher
from evaluators.distill.teaching import Teaching
from evaluators.evaluation import Evaluation
from evaluators.fit import BLANK, check_teacher
from evaluators.latency.torch import Torch
from evaluators.loading import normalised
from evaluators.schedule import BASELINE, Distill, Schedule
from evaluators.task import TASKS
from evaluators.train import seeded, train
from space import Arch, build

CONF = Path(__file__).parents[2] / "conf" / "arch"
DATA_SETS = {
    "classification": DATA["garments"](),
    "segmentation": DATA["scenes"](train_count=4, val_count=2),
    "detection": DATA["scene_boxes"](train_count=4, val_count=2),
    "counting": DATA["scene_points"](train_count=4, val_count=2),
}
ARCHES = {
    "classification": "poolformer_s12",
    "segmentation": "segformer_b0",
    "detection": "yolox_nano",
    "counting": "pet_pool",
}
WIDER = {name: 1.0 if name == "detection" else 0.25 for name in ARCHES}  # a nano is no thinner at a quarter of its width
SCHEDULE = Schedule(rungs=[1], image_size=64, batch_size=2, sample_fraction=1.0, threads=1, width=0.125)
LESSON = replace(SCHEDULE, teacher="someone", distill=Distill(features=1.0))


def network(task: str, *, seed: int = 0, width: float = 0.125) -> nn.Module:
    arch = Arch.from_yaml(CONF / f"{ARCHES[task]}.yaml")
    with seeded(seed):
        return build(arch, DATA_SETS[task].classes, image_size=(64, 64), width=width)


def shown(net: nn.Module) -> torch.Tensor:
    with seeded(3):
        return normalised(torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8), torch.device("cpu"), net)


@pytest.mark.parametrize("divergence", [of_choices, of_chances])
def test_divergences_are_zero_for_the_same_and_more_for_others(divergence):
    own, taught = torch.tensor([[0.0, 1.0, -30.0]]), torch.tensor([[2.0, -1.0, 40.0]])
    assert divergence(taught, taught, temperature=2.0).sum() == pytest.approx(0.0, abs=1e-6)
    assert divergence(own, taught, temperature=2.0).sum() > 0
    own.requires_grad_(True)
    divergence(own, taught, temperature=1.0).sum().backward()
    wanted = own.softmax(-1) - taught.softmax(-1) if divergence is of_choices else own.sigmoid() - taught.sigmoid()
    assert torch.allclose(own.grad, wanted, atol=1e-6)


def test_a_mean_of_nothing_is_zero():
    assert mean_where(torch.ones(3), torch.zeros(3)) == 0
    assert mean_where(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 1.0])) == 2


def test_ignored_pixels_are_not_imitated():
    task, taught = TASKS["segmentation"](), torch.randn(1, 5, 8, 8)
    output, mask = torch.randn(1, 5, 4, 4), torch.zeros(1, 16, 16, dtype=torch.uint8)
    mask[:, 8:] = 255
    before = task.imitation(output, taught, mask, temperature=1.0)
    output[:, :, 2:] += torch.randn(5)[:, None, None]
    assert task.imitation(output, taught, mask, temperature=1.0) == before > 0
    assert task.imitation(output, taught, torch.full_like(mask, 255), temperature=1.0) == 0


def outputs(task: str):
    """A candidate and its output in training mode, a teacher's output, and a target."""
    own, other = network(task).train(), network(task, seed=1).eval()
    if hasattr(TASKS[task](), "ready_to_teach"):
        TASKS[task]().ready_to_teach(other)
    target = BLANK[TASKS[task].target](64)
    with torch.no_grad():
        taught = other(shown(other))
    return own, own(shown(own)), taught, target


@pytest.mark.parametrize("name", sorted(ARCHES))
def test_an_imitation_is_zero_for_the_same_output_and_teaches_otherwise(name):
    task = TASKS[name]()
    own, output, taught, target = outputs(name)
    if name == "segmentation":
        target = target.repeat(2, 1, 1)
    assert task.imitation(taught, taught, target, temperature=2.0) == pytest.approx(0.0, abs=1e-4)
    distance = task.imitation(output, taught, target, temperature=2.0)
    assert torch.isfinite(distance)
    assert distance > 0
    distance.backward()
    found = [parameter.grad for parameter in own.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in found)
    assert any(gradient.any() for gradient in found)


def taught(task: str, directory: Path, schedule: Schedule, *, teacher: nn.Module | None, seed=0):
    data = DATA_SETS[task]
    schedule = replace(schedule, sample_fraction=0.001) if task == "classification" else schedule
    results = train(
        network(task),
        TASKS[task](),
        Few() if task == "classification" else data,
        schedule,
        seed=seed,
        rung=len(schedule.rungs),
        directory=directory,
        device="cpu",
        teacher=teacher,
        origin="taught" if teacher else "",
    )
    *_, last = results
    return last.measurements, torch.load(directory / f"rung_{len(schedule.rungs)}.pt", weights_only=True)


class Few(DATA["garments"]):
    """With four validation images, for speed."""

    def val_set(self, size):
        return replace(super().val_set(size), chosen=tuple(range(4)))


@pytest.mark.parametrize("name", sorted(ARCHES))
def test_candidates_of_every_task_learn_from_a_wider_teacher(name, tmp_path):
    wider = network(name, seed=1, width=WIDER[name])
    before = {key: value.clone() for key, value in wider.state_dict().items()}
    told, content = taught(name, tmp_path / "a", LESSON, teacher=wider)
    plain, other = taught(name, tmp_path / "b", SCHEDULE, teacher=None)
    assert told["train_loss"] > plain["train_loss"]
    assert content["state"]["projections"]
    assert content["state"]["network"].keys() == other["state"]["network"].keys()
    assert "projections" not in other["state"]
    assert all(torch.equal(value, before[key]) for key, value in wider.state_dict().items())
    check_teacher(wider, network(name), TASKS[name](), LESSON)


def test_stages_of_every_network_compare():
    widths = {}
    for name in ARCHES:
        own, other = network(name), network(name, width=WIDER[name])
        widths[name] = shared(own, other, {own: shown(own), other: shown(other)})
    assert list(widths["segmentation"]) == list(widths["classification"]) == ["stage1", "stage2", "stage3", "stage4"]
    assert list(widths["detection"]) == ["dark2", "dark3", "dark4", "dark5"]
    assert list(widths["counting"]) == ["project4", "project8"]
    assert widths["segmentation"]["stage1"] == (8, 8)
    assert widths["detection"]["dark5"] == (128, 256)
    deit = build(Arch.from_yaml(CONF / "deit_tiny.yaml"), 10, image_size=(64, 64))
    assert list(shared(deit, deit, {deit: shown(deit)})) == ["layers[-1]"]


def test_watching_leaves_nothing_behind():
    net = network("segmentation")
    with contextlib.suppress(RuntimeError), watched(net, stages(net)) as maps:
        net(shown(net))
        assert [value.shape[0] for value in maps.values()] == [2] * 4
        raise RuntimeError
    assert not any(part._forward_hooks for part in net.modules())


def test_a_network_without_shared_stages_cannot_teach_features():
    own, other = network("segmentation"), nn.Sequential(nn.Conv2d(3, 5, 3, 4, 1))
    with pytest.raises(ValueError, match=r"distill\.features: 1\.0, but no stage of the teacher \(0\).*\(stage1, .*set it to 0"):
        Teaching(other, own, TASKS["segmentation"](), LESSON, seed=0, device=torch.device("cpu"))


def test_paths_are_spelled_from_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").touch()
    assert located("a.pt", Path) == f"{tmp_path}/a.pt"
    assert located("b0@a.pt", lambda name: Path(f"/conf/{name}.yaml")) == f"/conf/b0.yaml@{tmp_path}/a.pt"
    assert located("b0.yaml@a.pt", lambda name: pytest.fail(name)) == f"{tmp_path}/b0.yaml@{tmp_path}/a.pt"


@pytest.mark.parametrize(
    ("given", "meant"), [("basline", "baseline"), ("trained/rung2.pt", "trained/rung_2.pt"), ("b0@trianed", "trained")]
)
def test_a_teacher_that_is_not_there_is_told_with_the_nearest_one(tmp_path, monkeypatch, given, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "rung_2.pt").touch()
    with pytest.raises(ValueError, match=r"schedule\.teacher: no file .*allowed: baseline, .*Did you mean '.*'") as refused:
        located(given, Path)
    assert str(refused.value).endswith(f"{meant}'?")


STAGE = {"depth": 1, "embed": "conv", "mixer": {"name": "pool"}, "ffn": "identity"}


def segmenter(dim: int = 8, layout: str = "pre") -> Arch:
    stages = {f"stage{i + 1}": {**STAGE, "dim": dim} for i in range(4)}
    return Arch.make("segformer", {"norm_layout": layout, **stages, "decoder": {"fusion": "sum", "width": 8}})


@pytest.fixture
def evaluation(tmp_path):
    return Evaluation(
        baseline=segmenter(),
        input_size=(64, 64),
        task=TASKS["segmentation"](),
        data=Scenes(train_count=8, val_count=4),
        schedule=Schedule(rungs=[1, 2], image_size=32, width=1.0, batch_size=4, threads=1),
        latency=Torch(device="cpu", threads=1, warmup_s=0, max_s=0.1),
        limits={},
        device="cpu",
        plugins=(),
        cache=tmp_path / "cache",
    )


TIMES = {"train_s", "score_s", "images_per_s"}


def measured(evaluation, arch, directory, *, seed=0):
    *rungs, outcome = evaluation(Job(arch, seed, 2, directory))
    assert outcome.kind == "ok", outcome.reason
    return [{k: v for k, v in result.measurements.items() if k not in TIMES} for result in rungs[1:]]


def with_teacher(evaluation, teacher, **distill):
    return replace(evaluation, schedule=replace(evaluation.schedule, teacher=str(teacher), distill=Distill(**distill)))


def test_a_trial_teaches_others_and_who_taught_is_part_of_the_training(evaluation, tmp_path):
    plain = measured(evaluation, segmenter(16), tmp_path / "plain")
    measured(evaluation, evaluation.baseline, tmp_path / "trained")
    of_it = with_teacher(evaluation, tmp_path / "trained")
    of_it.check()
    told = measured(of_it, segmenter(16), tmp_path / "plain")  # what lies there is of another training
    assert told[0]["teacher"].startswith(f"{tmp_path}/trained (")
    assert told[1]["loss"] != plain[1]["loss"]
    assert measured(of_it, segmenter(16), tmp_path / "again") == told
    moved = (tmp_path / "trained").rename(tmp_path / "moved")
    elsewhere = measured(with_teacher(evaluation, moved / "rung_2.pt"), segmenter(16), tmp_path / "again")
    assert elsewhere[1:] == told[1:]
    softer = measured(with_teacher(evaluation, moved, temperature=8.0), segmenter(16), tmp_path / "again")
    assert softer[1]["loss"] != told[1]["loss"]


def test_the_baseline_is_trained_once_and_teaches_the_others(evaluation, tmp_path):
    plain = measured(evaluation, evaluation.baseline, tmp_path / "elsewhere")
    taught_by = with_teacher(evaluation, BASELINE)
    taught_by.check()
    first = measured(taught_by, segmenter(16), tmp_path / "1")
    assert first[0]["teacher"].startswith("baseline (")
    when = (tmp_path / "teacher0" / "rung_2.pt").stat().st_mtime_ns
    assert measured(taught_by, evaluation.baseline, tmp_path / "0") == plain
    assert (tmp_path / "teacher0" / "rung_2.pt").stat().st_mtime_ns == when
    assert measured(with_teacher(evaluation, tmp_path / "0"), segmenter(16), tmp_path / "2")[1:] == first[1:]
    measured(taught_by, segmenter(16), tmp_path / "3", seed=1)
    assert (tmp_path / "teacher1").is_dir()


def test_a_baseline_that_cannot_be_trained_is_said(evaluation, tmp_path):
    hopeless = replace(evaluation, schedule=replace(evaluation.schedule, lr=1e30))
    *_, outcome = with_teacher(hopeless, BASELINE)(Job(segmenter(16), 0, 2, tmp_path / "1"))
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("nan: of the baseline, the teacher: ")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evaluators.evaluation.train", lambda *a, **k: pytest.fail("it was tried before"))
        *_, again = with_teacher(hopeless, BASELINE)(Job(segmenter(24), 0, 2, tmp_path / "2"))
    assert again == outcome


def test_who_cannot_teach_is_refused_before_anything_is_trained(evaluation, tmp_path):
    measured(evaluation, evaluation.baseline, tmp_path / "trained")
    classifier = replace(
        evaluation,
        baseline=Arch.make("metaformer", {f"stage{n}": {"dim": 8, "depth": 1, "mixer": "pool"} for n in range(1, 5)}),
        task=TASKS["classification"](),
        data=Few(),
        schedule=replace(evaluation.schedule, sample_fraction=0.002),
    )
    with pytest.raises(ValueError, match=r"schedule\.teacher: .*rung_2\.pt tells 5 classes apart; allowed: 10, those of the data"):
        with_teacher(classifier, tmp_path / "trained").check()
    fewer = replace(classifier, data=type("Five", (Few,), {"classes": 5})())
    with pytest.raises(ValueError, match=r"schedule\.teacher: .*task=classification needs a network with output \(B, classes\)"):
        with_teacher(fewer, tmp_path / "trained").check()
    with pytest.raises(ValueError, match=r"schedule\.teacher: no file .*allowed: baseline, a trial's directory"):
        with_teacher(evaluation, tmp_path / "nobody.pt").check()
    with pytest.raises(ValueError, match=r"has no rung_\*\.pt; allowed: the directory of a trained trial"):
        with_teacher(evaluation, tmp_path).check()
    with pytest.raises(ValueError, match=r"rung_1\.pt: .*no weights"):
        with_teacher(evaluation, tmp_path / "trained" / "rung_1.pt").check()
    with pytest.raises(ValueError, match="baseline given beside init=parent"):
        replace(with_teacher(evaluation, BASELINE), init="parent").check()


def test_a_named_arch_takes_all_of_the_weights_or_none(evaluation, tmp_path):
    measured(evaluation, evaluation.baseline, tmp_path / "trained")
    file = tmp_path / "trained" / "rung_2.pt"
    for dim in (8, 16):
        (tmp_path / f"{dim}.yaml").write_text(segmenter(dim).to_yaml())
    whole = teacher(f"{tmp_path}/8.yaml@{file}", classes=5, image_size=(32, 32))
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in torch.load(file)["state"]["network"].items())
    with pytest.raises(ValueError, match=r"does not fill its network at 32x32 pixels: .* fresh: "):
        teacher(f"{tmp_path}/16.yaml@{file}", classes=5, image_size=(32, 32))


def test_a_task_that_says_nothing_of_imitation_has_no_teachers_but_of_features():
    class Silent:
        target = "scent"

    own = network("segmentation")
    with pytest.raises(ValueError, match=r"distill\.logits: 1\.0, but the task Silent has no `imitation`.*set it to 0"):
        check_teacher(own, own, Silent(), LESSON)
    check_teacher(own, own, Silent(), replace(LESSON, distill=Distill(logits=0.0, features=1.0)))
