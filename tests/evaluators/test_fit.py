"""A network, a task and a recipe that do not go together are refused by one blank image."""

import pytest
from torch import nn

from evaluators.fit import check_fit
from evaluators.schedule import Schedule
from evaluators.task import TASKS
from space import Arch, build

STAGE = {"dim": 8, "depth": 1, "mixer": "pool"}
CLASSIFIER = Arch.make("metaformer", {f"stage{n}": STAGE for n in range(1, 5)})
STAGES = {f"stage{n}": {**STAGE, "embed": "conv", "ffn": "identity"} for n in range(1, 5)}
SEGMENTER = Arch.make("segformer", {"norm_layout": "pre", **STAGES, "decoder": {"fusion": "sum", "width": 8}})


def network(arch: Arch) -> nn.Module:
    return build(arch, 3, image_size=(32, 32))


@pytest.mark.parametrize(
    ("task", "fits", "other", "wanted"),
    [
        ("classification", CLASSIFIER, SEGMENTER, r"\(B, classes\); this one gives \(1, 3, 8, 8\)"),
        ("segmentation", SEGMENTER, CLASSIFIER, r"\(B, classes, h, w\); this one gives \(1, 3\)"),
    ],
)
def test_a_task_reads_its_kind_of_network_alone(task, fits, other, wanted):
    check_fit(network(fits), TASKS[task](), Schedule(image_size=32))
    with pytest.raises(ValueError, match=f"task={task} needs a network with output {wanted}"):
        check_fit(network(other), TASKS[task](), Schedule(image_size=32))


def test_a_recipe_for_a_decoder_needs_one():
    with pytest.raises(ValueError, match=r"schedule\.decoder_lr_factor: 10.*no submodule 'decoder'; set it to 1"):
        check_fit(network(CLASSIFIER), TASKS["classification"](), Schedule(image_size=32, decoder_lr_factor=10.0))


def test_stochastic_depth_is_not_asked_of_a_network_without_it():
    schedule = Schedule(image_size=32, drop_path=0.1)
    check_fit(network(SEGMENTER), TASKS["segmentation"](), schedule)
    with pytest.raises(ValueError, match=r"schedule\.drop_path: 0\.1, but Sequential has no stochastic depth; set it to 0"):
        check_fit(nn.Sequential(nn.Conv2d(3, 3, 1)), TASKS["segmentation"](), schedule)


def test_data_of_a_further_kind_are_not_tried():
    class Smelling:
        target = "scent"

    check_fit(network(CLASSIFIER), Smelling(), Schedule(image_size=32))
