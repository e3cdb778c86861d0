"""The MetaFormer family with holes: four stages of residual blocks over maps that halve from stage to stage, and a classifier.

Sources: arXiv 2111.11418 (MetaFormer and PoolFormer), arXiv 2210.13452 (MetaFormer Baselines: IdentityFormer, RandFormer,
PoolFormerV2, ConvFormer, CAFormer). All maps are (B, C, H, W) in channels_last memory.
"""

from dataclasses import dataclass, replace

import torch
from timm.layers import calculate_drop_path_rates
from torch import nn

from blocks.activation import Activation
from blocks.embed import EMBED, Embed, coarser
from blocks.ffn import Ffn
from blocks.head import HEAD, Head
from blocks.join import Join
from blocks.mixer import Mixer
from blocks.norm import Norm
from blocks.position import POSITION, Position
from blocks.residual_block import ResidualBlock
from registry import Option
from space.networks import NETWORKS
from space.networks._stages import FourStages, widened_stages

DOWNSAMPLING = (3, 2, 1)  # kernel, stride, padding before stages 2 to 4, whatever their widths


@dataclass(frozen=True)
class StageArch:
    """One stage: `depth` equal blocks at `dim` channels, after an embedding and, where one is chosen, a position embedding."""

    dim: int
    depth: int
    mixer: Mixer
    ffn: Ffn = Option("mlp")
    join: Join = Option("layer_scale")
    embed: Embed = Option("conv", {"norm": Option("identity")})
    position: Position = Option("identity")


@dataclass(frozen=True)
class MetaFormerArch:
    """`stem` is kernel, stride and padding of the first embedding; `norm` is that of the blocks and of a `norm_pool` head."""

    stage1: StageArch
    stage2: StageArch
    stage3: StageArch
    stage4: StageArch
    norm: Norm = Option("groupnorm")
    activation: Activation = Option("gelu")
    head: Head = Option("norm_pool")
    stem: tuple[int, ...] = (7, 4, 2)

    def __post_init__(self):
        if len(self.stem) != 3 or self.stem[0] < 1 or self.stem[1] < 1 or self.stem[2] < 0:
            raise ValueError(f"stem: given {list(self.stem)}; allowed: [kernel, stride, padding], as in [7, 4, 2]")

    @property
    def stages(self) -> tuple[StageArch, ...]:
        return self.stage1, self.stage2, self.stage3, self.stage4


class Stage(nn.Module):
    """An embedding, then blocks. Shapes: (B, channels, H, W) -> (B, dim, h, w)."""

    def __init__(
        self,
        arch: StageArch,
        channels: int,
        patch: tuple[int, ...],
        *,
        network: MetaFormerArch,
        grid: tuple[int, int],
        drop_paths: list[float],
    ):
        super().__init__()
        kernel, stride, padding = patch
        self.embed = EMBED.build(arch.embed, channels=channels, dim=arch.dim, kernel=kernel, stride=stride, padding=padding)
        self.position = POSITION.build(arch.position, dim=arch.dim, grid=grid)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    arch.dim,
                    arch.mixer,
                    arch.ffn,
                    norm=network.norm,
                    activation=network.activation,
                    join=arch.join,
                    grid=grid,
                    drop_path=rate,
                )
                for rate in drop_paths
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.position(self.embed(x)))


@NETWORKS.register("metaformer")
class MetaFormer(FourStages):
    """A classifier. Shapes: image (B, 3, H, W) -> logits (B, classes)."""

    Arch = MetaFormerArch

    def __init__(self, arch: MetaFormerArch, classes: int, image_size: tuple[int, int], drop_path: float = 0.0):
        super().__init__()
        rates = calculate_drop_path_rates(drop_path, [stage.depth for stage in arch.stages], stagewise=True)
        channels, grid = 3, image_size
        for i, stage in enumerate(arch.stages):
            patch = arch.stem if i == 0 else DOWNSAMPLING
            grid = coarser(grid, *patch)
            if min(grid) < 1:
                raise ValueError(f"metaformer: images of {image_size} pixels leave nothing for stage {i + 1}; its map is {grid}")
            module = Stage(stage, channels, patch, network=arch, grid=grid, drop_paths=rates[i])
            self.add_module(f"stage{i + 1}", module)
            channels = stage.dim
        self.head = HEAD.build(arch.head, dim=channels, classes=classes, norm=arch.norm)
        self.apply(init_weights)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        *_, last = self.features(image)
        return self.head(last)

    @staticmethod
    def widened(arch: MetaFormerArch, factor: float) -> MetaFormerArch:
        """The same architecture with `factor` times the channels, for the training proxy."""
        return replace(arch, **widened_stages(arch.stages, factor))


def init_weights(module: nn.Module) -> None:
    """Weights of linear layers from a truncated normal of deviation 0.02, their biases 0; convolutions keep torch's own, as in
    the source."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
