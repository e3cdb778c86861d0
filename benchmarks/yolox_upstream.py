"""Our YOLOX beside its authors' code: the same numbers with the same weights, and what they cost, in one process.

    git clone https://github.com/Megvii-BaseDetection/YOLOX
    pip install loguru tabulate psutil opencv-python-headless pycocotools
    python benchmarks/yolox_upstream.py --upstream YOLOX [NAME ...] [--size 416] [--batch 8] [--boxes 8] [--rounds 9] [--threads 2]

The weights are random and are converted as a published checkpoint would be. First the largest differences: of the raw outputs, of
the decoded boxes in pixels, and of the losses, of a batch with boxes and of one without. Then the times: forward pass of one image
with decoding, training step of a batch (forward, loss, backward, SGD), and assignment for a batch. A ratio below 1: ours is faster;
how it and its noise come about is in alternating.py.
"""

import argparse
import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import alternating
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from evaluators.boxes import PADDING, Boxes
from evaluators.detection.assign import RULES
from evaluators.detection.cells import cells, decode
from evaluators.detection.losses import matches
from evaluators.task.detection import Detection
from space.weights import SOURCES

NAMES = ["nano", "tiny", "s", "m", "l", "x"]
CLASSES = 80


def upstream(checkout: Path | None) -> Any:
    """The module `yolox.exp` of a checkout of their repository."""
    if checkout is None or not (checkout / "yolox" / "exp").is_dir():
        where = f"{checkout} has no yolox/exp" if checkout else "not given"
        sys.exit(f"--upstream: {where}; get their code: git clone https://github.com/Megvii-BaseDetection/YOLOX")
    sys.path.insert(0, str(checkout))
    warnings.filterwarnings("ignore", category=FutureWarning, message=".*autocast")  # theirs, at every assignment
    return importlib.import_module("yolox.exp")


def random_labels(batch: int, boxes: int, size: int) -> Tensor:
    """(B, M, 5) class, cx, cy, w, h in pixels, as theirs reads them: centres anywhere, sides of 8 pixels to half of the image."""
    centres, sides = torch.rand(batch, boxes, 2) * size, 8 + torch.rand(batch, boxes, 2) * (size / 2 - 8)
    return torch.cat([torch.randint(CLASSES, (batch, boxes, 1)).float(), centres, sides], 2)


def target(labels: Tensor, size: int) -> Boxes:
    """The same boxes as ours reads them; rows of zeros are padding."""
    real, centre, half = labels.sum(2) > 0, labels[..., 1:3], labels[..., 3:] / 2
    xyxy, ids = torch.cat([centre - half, centre + half], 2), torch.where(real, labels[..., 0].long(), PADDING)
    return Boxes(xyxy, ids, torch.zeros_like(real), torch.ones(len(labels), device=labels.device), (size, size))


def networks(theirs: nn.Module, images: Tensor, labels: Tensor) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs with the same random weights: norms of their own with the statistics of a batch, and small predictors of
    boxes, so that sizes stay within an image's."""
    theirs.to(images.device).train()
    norms = [module for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)]
    momentum = norms[0].momentum
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.6, 1.4)
        nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = 1.0
    for predictor in theirs.head.reg_preds:
        nn.init.normal_(predictor.weight, std=0.02)
    theirs(images, labels)
    for norm in norms:
        norm.momentum = momentum
    return SOURCES["megvii_yolox"].convert(theirs.state_dict()).network().to(images.device), theirs


def decoded(output: Tensor, size: int) -> Tensor:
    """Our raw output in the form that theirs has in evaluation: boxes in pixels, objectness and classes from 0 to 1."""
    return torch.cat([decode(output[..., :4], cells((size, size), output.device)), output[..., 4:].sigmoid()], 2)


@torch.no_grad()
def differences(ours: nn.Module, theirs: nn.Module, images: Tensor, labels: Tensor) -> list[str]:
    """The largest of raw boxes, scores, boxes in pixels, and of the losses with boxes, every other image empty, none."""
    size = images.shape[-1]
    ours.eval(), theirs.eval()
    raw = ours(images)
    pixels = largest(decoded(raw, size), theirs(images), slice(4))
    theirs.head.decode_in_inference = False
    values = [largest(raw, theirs(images), slice(4)), largest(raw.sigmoid(), theirs(images), slice(4, None)), pixels]
    theirs.head.decode_in_inference = True
    half, none = labels.clone(), torch.zeros_like(labels)
    half[::2] = 0
    values += [loss_difference(ours, theirs, images, given) for given in (labels, half, none)]
    return [f"{value:.1e}" for value in values]


def largest(ours: Tensor, theirs: Tensor, columns: slice) -> float:
    return (ours - theirs)[..., columns].abs().max().item()


def loss_difference(ours: nn.Module, theirs: nn.Module, images: Tensor, labels: Tensor) -> float:
    """As a part of their loss, the larger of with L1 and without."""
    ours.train(), theirs.train()
    found = []
    for l1 in (True, False):
        theirs.head.use_l1 = l1
        wanted = theirs(images, labels)["total_loss"]
        given = Detection(l1=l1).loss(ours(images), target(labels, images.shape[-1]))
        found.append(((given - wanted) / wanted).abs().item())
    return max(found)


def forward_pass(ours: nn.Module, theirs: nn.Module, images: Tensor) -> tuple[alternating.Step, alternating.Step]:
    ours.eval(), theirs.eval()
    infer = torch.inference_mode()
    return infer(lambda: decoded(ours(images[:1]), images.shape[-1])), infer(lambda: theirs(images[:1]))


def training_step(ours: nn.Module, theirs: nn.Module, images: Tensor, labels: Tensor) -> tuple[alternating.Step, alternating.Step]:
    ours.train(), theirs.train()
    task, boxes = Detection(), target(labels, images.shape[-1])
    descents = [torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9, nesterov=True) for network in (ours, theirs)]

    def step(loss: Tensor, descent: torch.optim.Optimizer) -> None:
        loss.backward()
        descent.step()
        descent.zero_grad()

    return (
        lambda: step(task.loss(ours(images), boxes), descents[0]),
        lambda: step(theirs(images, labels)["total_loss"], descents[1]),
    )


@torch.no_grad()
def assignment(ours: nn.Module, theirs: nn.Module, images: Tensor, labels: Tensor) -> tuple[alternating.Step, alternating.Step]:
    """From the network's output to the cells that each box gets, image by image. Theirs is given its boxes decoded."""
    output, boxes = ours.train()(images), target(labels, images.shape[-1])
    grid = cells(boxes.size, images.device)
    pixels, x, y, stride = decode(output[..., :4], grid), grid.corner[None, :, 0], grid.corner[None, :, 1], grid.stride.T

    def upstreams() -> None:
        for i, (image, predicted) in enumerate(zip(labels, pixels, strict=True)):
            given = (i, len(image), image[:, 1:], image[:, 0], predicted, stride, x, y, output[..., 5:], output[..., 4:5])
            theirs.head.get_assignments(*given)

    return lambda: matches(output, boxes, grid=grid, rule=RULES["upstream"]), upstreams


def main() -> None:
    options = arguments()
    experiments = upstream(options.upstream)
    torch.manual_seed(0)
    images = 255 * torch.rand(options.batch, 3, options.size, options.size, device=options.device)
    labels = random_labels(options.batch, options.boxes, options.size).to(options.device)
    title = f"{options.size} x {options.size}, {options.device}, {options.threads} threads, torch {torch.__version__}"
    times = alternating.table(title)
    numbers = Table("", "raw", "scores", "pixels", "loss, boxes", "loss, half empty", "loss, empty", title="largest differences")
    numbers.caption = "those of losses as parts of the loss"
    timing = {"rounds": options.rounds, "threads": options.threads}
    for name in options.names or NAMES[:3]:
        pair = networks(experiments.get_exp(exp_name=f"yolox-{name}").get_model(), images, labels)
        numbers.add_row(name, *differences(*pair, images, labels))
        times.add_row(name, "forward pass", *alternating.row(*forward_pass(*pair, images), **timing))
        times.add_row(name, "training step", *alternating.row(*training_step(*pair, images, labels), **timing))
        times.add_row(name, "assignment", *alternating.row(*assignment(*pair, images, labels), **timing))
    Console().print(numbers, times)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"{', '.join(NAMES)}; the first three by default"
    )
    parser.add_argument("--upstream", type=Path, metavar="DIR", help="a checkout of their repository")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--batch", type=int, default=8, help="images of a training step; the forward pass takes one")
    parser.add_argument("--boxes", type=int, default=8, help="in each image")
    alternating.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
