"""Our SegFormer-B2 beside transformers': forward pass and training step, in turns, in one process.

    python benchmarks/segformer_speed.py [--device cuda] [--size 512] [--batch 2] [--rounds 9] [--threads 2]

Both have the same weights. Each round times one after the other, in changing order, so that drift of the machine cancels. The ratio
is that of the medians, the noise half the distance of the quartiles of the rounds' own ratios. Below 1: ours is faster.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F
from torch.utils.benchmark import Timer

from space import Arch, build
from space.weights.huggingface_segformer import convert

CLASSES = 150
ARCHES = Path(__file__).parents[1] / "conf" / "arch"


def networks(device: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Ours and theirs, with one set of weights."""
    config = transformers.SegformerConfig(
        hidden_sizes=[64, 128, 320, 512], depths=[3, 4, 6, 3], decoder_hidden_size=768, num_labels=CLASSES
    )
    theirs = transformers.SegformerForSemanticSegmentation(config)
    ours = build(Arch.from_yaml(ARCHES / "segformer_b2.yaml"), CLASSES)
    ours.load_state_dict(convert(theirs.state_dict()))
    return ours.to(device), theirs.to(device)


def forward_pass(model: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor) -> None:
    with torch.inference_mode():
        model(image)


def training_step(model: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    labels = torch.zeros(image.shape[0], *image.shape[2:], dtype=torch.long, device=image.device)
    logits = F.interpolate(model(image), size=image.shape[2:], mode="bilinear", align_corners=False)
    F.cross_entropy(logits, labels).backward()
    optimizer.step()
    optimizer.zero_grad()


def steps(model: torch.nn.Module, image: torch.Tensor) -> dict[str, Callable[[], None]]:
    """What is timed, by name. `transformers` wraps its logits; the wrapper is part of the call."""
    logits = (lambda x: model(x).logits) if isinstance(model, transformers.PreTrainedModel) else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    return {
        "forward pass": lambda: forward_pass(logits, image[:1]),
        "training step": lambda: training_step(logits, image, optimizer),
    }


def seconds(step: Callable[[], None], threads: int) -> float:
    return Timer("step()", globals={"step": step}, num_threads=threads).timeit(1).median


def in_turns(ours: Callable[[], None], theirs: Callable[[], None], *, rounds: int, threads: int) -> list[tuple[float, float]]:
    """Seconds of (ours, theirs), round by round; one round before them warms up."""
    times = []
    for i in range(rounds + 1):
        order = (ours, theirs) if i % 2 else (theirs, ours)
        taken = [seconds(step, threads) for step in order]
        times.append((taken[0], taken[1]) if i % 2 else (taken[1], taken[0]))
    return times[1:]


def summary(times: list[tuple[float, float]]) -> list[str]:
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    low, _, high = statistics.quantiles((mine / other for mine, other in times), n=4)
    return [f"{medians[0] * 1e3:.1f}", f"{medians[1] * 1e3:.1f}", f"{medians[0] / medians[1]:.3f}", f"+-{(high - low) / 2:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2, help="images of a training step; the forward pass takes one")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    image = torch.randn(options.batch, 3, options.size, options.size, device=options.device)
    ours, theirs = networks(options.device)
    title = f"SegFormer-B2, {options.size} x {options.size}, {options.device}, {options.threads} threads, torch {torch.__version__}"
    table = Table("", "ours ms", "transformers ms", "ratio", "noise", title=title)
    for name in ("forward pass", "training step"):
        for model in (ours, theirs):
            model.train(name == "training step")
        pair = steps(ours, image)[name], steps(theirs, image)[name]
        table.add_row(name, *summary(in_turns(*pair, rounds=options.rounds, threads=options.threads)))
    Console().print(table)


if __name__ == "__main__":
    main()
