"""Our PET beside its authors' code: the same numbers with the same weights, and what they cost, in one process.

    git clone https://github.com/cxliu0/PET
    python benchmarks/pet_upstream.py --upstream PET [NAME ...] [--size 256] [--rounds 9] [--threads 2]

The weights are random and are converted as a published checkpoint would be; theirs gets the windows of each named architecture,
and no FFN where that has none. First the largest differences where both say something: of the split map, the logits, and the
points in pixels, of all queries and of those that the split selects, in a whole image and in one that is padded; beside them how
many queries were decoded (theirs leaves out parts of padded images where windows are smaller than a patch). Then the times of one
image with half of its patches dense: encoder alone, whole network. A ratio below 1: ours is faster; how it and its noise come
about is in alternating.py.
"""

import argparse
import importlib
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import alternating
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from space import Arch, build
from space.weights import SOURCES, take

ARCHES = Path(__file__).parents[1] / "conf" / "arch"
NAMES = ["pet", "team_enc2", "team_pet_final"]
STRIDES = {"sparse": 8, "dense": 4}
REACH = 256
ARGUMENTS = {  # the defaults of their training script
    "backbone": "vgg16_bn",
    "position_embedding": "sine",
    "dec_layers": 2,
    "dim_feedforward": 512,
    "hidden_dim": 256,
    "dropout": 0.0,
    "nheads": 8,
    "set_cost_class": 1,
    "set_cost_point": 0.05,
    "ce_loss_coef": 1.0,
    "point_loss_coef": 5.0,
    "eos_coef": 0.5,
}


def upstream(checkout: Path | None, device: torch.device) -> ModuleType:
    """The module `models.pet` of a checkout of their repository. It then asks for no file of ImageNet weights and, on a CPU, for no
    CUDA."""
    if checkout is None or not (checkout / "models" / "pet.py").is_file():
        where = f"{checkout} has no models/pet.py" if checkout else "not given"
        sys.exit(f"--upstream: {where}; get their code: git clone https://github.com/cxliu0/PET")
    sys.path.insert(0, str(checkout))
    warnings.filterwarnings("ignore", message=".*torch.meshgrid")  # theirs, at every forward pass
    backbone = importlib.import_module("models.backbones.backbone_vgg")
    untrained = backbone.vgg16_bn
    backbone.vgg16_bn = lambda pretrained: untrained(pretrained=False)
    if device.type == "cpu":
        torch.Tensor.cuda = lambda tensor: tensor
    return importlib.import_module("models.pet")


def layers_of(name: str, arch: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of the encoder. Leaves where their code has no such network."""
    layers = [layer for key, layer in arch["encoder"].items() if key.startswith("layer")]
    whole = arch["encoder"]["sharing"] == arch["decoder"]["sharing"] == "none" and arch["decoder"]["layers"] == 2
    if not whole or called(arch["backbone"]) != "vgg16_bn" or any(called(layer["mixer"]) != "attention" for layer in layers):
        sys.exit(f"{name}: their code has VGG16, encoders of attention alone and no shared layers; as {', '.join(NAMES)}")
    return layers


def called(option: Any) -> str:
    return option if isinstance(option, str) else option["name"]


def changed(theirs: nn.Module, name: str, arch: Mapping[str, Any]) -> None:
    """Their network with the windows of an architecture, and without the FFN where it has none."""
    encoder, layers = theirs.context_encoder, layers_of(name, arch)
    encoder.enc_win_list = [tuple(layer["window"]) for layer in layers]
    encoder.encoder.layers = encoder.encoder.layers[: len(layers)]
    for layer, given in zip(encoder.encoder.layers, layers, strict=True):
        if called(given["ffn"]) == "identity":
            layer.forward = attending(layer)
    for layer in theirs.quadtree_sparse.transformer.decoder.layers:
        if called(arch["decoder"]["ffn"]) == "identity":
            layer.forward = reading(layer)


def attending(layer: nn.Module) -> Any:
    """An encoder layer without its FFN."""

    def forward(src: Tensor, src_mask: None, src_key_padding_mask: Tensor, pos: Tensor) -> Tensor:
        placed = src + pos
        return layer.norm1(src + layer.self_attn(placed, placed, value=src, key_padding_mask=src_key_padding_mask)[0])

    return forward


def reading(layer: nn.Module) -> Any:
    """A decoder layer without its FFN."""

    def forward(tgt: Tensor, memory: Tensor, **given: Tensor) -> Tensor:
        query_pos, pos, padding = (given[name] for name in ("query_pos", "pos", "memory_key_padding_mask"))
        placed = tgt + query_pos
        tgt = layer.norm1(tgt + layer.self_attn(placed, placed, value=tgt)[0])
        read = layer.multihead_attn(tgt + query_pos, memory + pos, value=memory, key_padding_mask=padding)[0]
        return layer.norm2(tgt + read)

    return forward


@torch.no_grad()
def networks(models: ModuleType, name: str, image: Tensor) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs with the same random weights: batch norms with the statistics of an image, and a split that sends half of its
    patches each way. Theirs returns all that it computes, before it selects."""
    arch = Arch.from_yaml(ARCHES / f"{name}.yaml")
    theirs, _ = models.build_pet(argparse.Namespace(device=str(image.device), **ARGUMENTS))
    changed(theirs.to(image.device), name, arch.arch)
    theirs.train_forward = theirs.test_forward = theirs.pet_forward
    for norm in [module for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)]:
        norm.momentum = 1.0
    theirs.train()(list(image), train=True)
    split = theirs.eval()(list(image), train=True)["split_map_raw"].logit()
    convolution = theirs.quadtree_splitter[1]
    convolution.bias.sub_(split.quantile(0.5)).mul_(20)
    convolution.weight.mul_(20)
    ours = build(arch, 1, image_size=image.shape[2:]).to(image.device).eval()
    found = take(ours, SOURCES["upstream_pet"].convert(theirs.state_dict()))
    assert found.part == 1.0, found.summary
    return ours, theirs


@torch.no_grad()
def differences(ours: nn.Module, theirs: nn.Module, image: Tensor, *, every: bool) -> list[str]:
    """Largest ones of split, logits and points; the queries decoded here and there."""
    ours.route = "both" if every else "learned"
    mine, other = ours(image), theirs(list(image), **{"train" if every else "test": True})
    largest = [(mine.split - other["split_map_raw"][:, 0]).abs().nan_to_num(0).max().item(), 0.0, 0.0]
    counts = [0, 0]
    for level in STRIDES:
        said = getattr(mine, level)[0]
        counts[0] += int(said[:, 1].isfinite().sum())
        if other[level] is None:
            continue
        places, rows = theirs_rows(other[level], STRIDES[level], every=every)
        counts[1] += int(rows.isfinite().all(1).sum())
        both = rows.isfinite().all(1) & said[places, 1].isfinite()
        gap = (said[places] - rows)[both].abs()
        if len(gap):
            largest[1], largest[2] = max(largest[1], gap[:, :2].max().item()), max(largest[2], gap[:, 2:].max().item())
    return [*(f"{value:.1e}" for value in largest), f"{counts[0]}", f"{counts[1]}"]


def theirs_rows(output: Mapping[str, Any], stride: int, *, every: bool) -> tuple[Tensor, Tensor]:
    """Of the queries that they decoded: which row each is with us, and that row in our form."""
    size = output["points_queries"].new_tensor(output["img_shape"])
    queries = (output["points_queries"] * size).round()
    places = (queries[:, 0] // stride * (size[1] // stride) + queries[:, 1] // stride).long()
    logits, offsets, points = (output[f"pred_{name}"].flatten(0, -2) for name in ("logits", "offsets", "points"))
    return places, torch.cat([logits, queries + REACH * offsets if every else points * size], 1)


class HalfDense(nn.Module):
    """Their splitter, then a checkerboard instead of what it says."""

    def __init__(self, splitter: nn.Module):
        super().__init__()
        self.splitter = splitter

    def forward(self, x: Tensor) -> Tensor:
        split = self.splitter(x)
        rows, columns = (torch.arange(side, device=x.device) for side in split.shape[2:])
        return ((rows[:, None] + columns) % 2).expand_as(split).to(split.dtype)


def encoders(ours: nn.Module, theirs: nn.Module, image: Tensor) -> tuple[alternating.Step, alternating.Step]:
    grid = (image.shape[2] // 8, image.shape[3] // 8)
    x, code = (torch.randn(1, ARGUMENTS["hidden_dim"], *grid, device=image.device) for _ in range(2))
    last = {"memory_format": torch.channels_last}
    mine, mine_code = x.contiguous(**last), code.contiguous(**last)
    padding = torch.zeros(1, *grid, dtype=torch.bool, device=image.device)
    infer = torch.inference_mode()
    return infer(lambda: ours.encoder(mine, mine_code, grid)), infer(lambda: theirs.context_encoder(x, code, padding))


def forwards(ours: nn.Module, theirs: nn.Module, image: Tensor) -> tuple[alternating.Step, alternating.Step]:
    ours.for_measuring()
    theirs.quadtree_splitter = HalfDense(theirs.quadtree_splitter)
    infer = torch.inference_mode()
    return infer(lambda: ours(image)), infer(lambda: theirs(list(image), test=True))


def main() -> None:
    options = arguments()
    models = upstream(options.upstream, options.device)
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    image = torch.randn(1, 3, options.size, options.size, device=options.device)
    part = image[:, :, : -options.size // 4, : -options.size // 3]
    title = f"{options.size} x {options.size}, {options.device}, {options.threads} threads, torch {torch.__version__}"
    times = alternating.table(title)
    numbers = Table("", "queries", "image", "split", "logits", "pixels", "rows", "theirs", title="largest differences")
    for name in options.names or NAMES:
        pair = networks(models, name, image)
        for kind, given in (("whole", image), ("padded", part)):
            for queries, every in (("all", True), ("split's", False)):
                numbers.add_row(name, queries, kind, *differences(*pair, given, every=every))
        for what, steps in (("encoder", encoders), ("network", forwards)):
            taken = alternating.row(*steps(*pair, image), rounds=options.rounds, threads=options.threads)
            times.add_row(name, what, *taken)
    Console().print(numbers, times)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of a file in conf/arch; by default {', '.join(NAMES)}")
    parser.add_argument("--upstream", type=Path, metavar="DIR", help="a checkout of their repository")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--size", type=int, default=256, help="a multiple of 256")
    alternating.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
