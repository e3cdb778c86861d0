"""The block of the MetaFormer family: a token mixer and a feed-forward network, each a residual branch behind a norm of its own."""

import torch
from timm.layers import DropPath
from torch import nn

from blocks.activation import Activation
from blocks.ffn import FFN, Ffn
from blocks.join import JOIN, Join
from blocks.mixer import MIXER, Mixer
from blocks.norm import NORM, Norm


class ResidualBlock(nn.Module):
    """x = join(x, mixer(norm(x))), then the same with the FFN; both branches are dropped independently, with one rate.

    `tokens` positions may stand before the map: then x is (B, C, 1, tokens + H * W), and layers that read neighbours see the map
    alone and leave the tokens as they are. Shapes: (B, C, H, W) -> (B, C, H, W). Source: arXiv 2111.11418 (MetaFormer)
    """

    def __init__(
        self,
        dim: int,
        mixer: Mixer,
        ffn: Ffn,
        *,
        norm: Norm,
        activation: Activation,
        join: Join,
        grid: tuple[int, int],
        drop_path: float,
        tokens: int = 0,
    ):
        super().__init__()
        self.mixer = MIXER.build(mixer, dim=dim, grid=grid, activation=activation)
        self.ffn = FFN.build(ffn, dim=dim, activation=activation)
        self.mixer_norm = NORM.build(norm, channels=dim)
        self.mixer_join = JOIN.build(join, dim=dim)
        self.ffn_norm = NORM.build(norm, channels=dim) if self.ffn.residual else nn.Identity()
        self.ffn_join = JOIN.build(join, dim=dim) if self.ffn.residual else nn.Identity()
        self.drop_path = DropPath(drop_path)
        self.tokens = tokens

    def forward(self, x: torch.Tensor, grid: tuple[int, int] | None = None) -> torch.Tensor:
        """`grid` is the map's size; it is read only where tokens stand before the map."""
        x = self.mixer_join(x, self.drop_path(self._run(self.mixer, self.mixer_norm(x), grid)))
        if self.ffn.residual:
            x = self.ffn_join(x, self.drop_path(self._run(self.ffn, self.ffn_norm(x), grid)))
        return x

    def _run(self, layer: nn.Module, x: torch.Tensor, grid: tuple[int, int] | None) -> torch.Tensor:
        if not self.tokens or not layer.reads_neighbours:
            return layer(x)
        branch = layer(x[..., self.tokens :].unflatten(3, grid).squeeze(2)).flatten(2).unsqueeze(2)
        return torch.cat([torch.zeros_like(x[..., : self.tokens]), branch], dim=3)
