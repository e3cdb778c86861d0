"""Our networks beside the published implementations: forward pass and training step, in turns, in one process.

    python benchmarks/network_speed.py [NAME ...] [--device cuda] [--size 224] [--batch 8] [--rounds 9] [--threads 2]

SegFormer is beside transformers', the others beside timm's; without names all are timed. Both sides have the same weights,
converted as a user's checkpoint would be. A ratio below 1: ours is faster; how it and its noise come about is in alternating.py.
"""

import argparse
from collections.abc import Callable

import alternating
import timm
import torch
import transformers
from rich.console import Console
from torch.nn import functional as F

from space.weights import SOURCES

CLASSES = 150
TIMM = {
    "poolformer_s12": ("timm_metaformer", "poolformer_s12"),
    "poolformerv2_s12": ("timm_metaformer", "poolformerv2_s12"),
    "convformer_s18": ("timm_metaformer", "convformer_s18"),
    "caformer_s18": ("timm_metaformer", "caformer_s18"),
    "deit_tiny": ("timm_vit", "deit_tiny_patch16_224"),
    "deit_small": ("timm_vit", "deit_small_patch16_224"),
}
NAMES = ["segformer_b2", *TIMM]


def networks(name: str, device: str, size: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Ours and theirs, with one set of weights."""
    if name == "segformer_b2":
        config = transformers.SegformerConfig(
            hidden_sizes=[64, 128, 320, 512], depths=[3, 4, 6, 3], decoder_hidden_size=768, num_labels=CLASSES
        )
        source, theirs = "huggingface_segformer", transformers.SegformerForSemanticSegmentation(config)
    else:
        source, model = TIMM[name]
        sized = {"img_size": size} if source == "timm_vit" else {}
        theirs = timm.create_model(model, num_classes=CLASSES, **sized)
    ours = SOURCES[source].convert(theirs.state_dict()).network()
    return ours.to(device), theirs.to(device)


def forward_pass(model: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor) -> None:
    with torch.inference_mode():
        model(image)


def training_step(model: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    logits = model(image)
    if logits.ndim == 4:  # of each pixel
        logits = F.interpolate(logits, size=image.shape[2:], mode="bilinear", align_corners=False)
    labels = torch.zeros(image.shape[0], *logits.shape[2:], dtype=torch.long, device=image.device)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=224, help="512 is what SegFormer is deployed at; it takes minutes on a CPU")
    parser.add_argument("--batch", type=int, default=8, help="images of a training step; the forward pass takes one")
    alternating.add_options(parser)
    options = parser.parse_args()
    image = torch.randn(options.batch, 3, options.size, options.size, device=options.device)
    title = f"{options.size} x {options.size}, {options.device}, {options.threads} threads, torch {torch.__version__}"
    table = alternating.table(title)
    for network in options.names or NAMES:
        ours, theirs = networks(network, options.device, options.size)
        for name in ("forward pass", "training step"):
            for model in (ours, theirs):
                model.train(name == "training step")
            pair = steps(ours, image)[name], steps(theirs, image)[name]
            table.add_row(network, name, *alternating.row(*pair, rounds=options.rounds, threads=options.threads))
    Console().print(table)


if __name__ == "__main__":
    main()
