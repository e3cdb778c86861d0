"""What every kind of softmax attention shares: its heads and its linear layers."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

AttentionBias = Literal["all", "output", "none"]


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, heads: int, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Multi-head attention of tokens to tokens: (B, N, C), (B, M, C), (B, M, D) -> (B, N, D), heads merged.

    `mask` (B, M) is True where a key may be read; None: everywhere. A query whose keys are all masked gives a value without
    meaning.
    """
    query, key, value = (tokens.unflatten(2, (heads, -1)).transpose(1, 2) for tokens in (query, key, value))
    mask = None if mask is None else mask[:, None, None]  # (B, heads, N, M) by broadcasting
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)  # (B, heads, N, D / heads) -> (B, N, D)


class AttentionLayers(nn.Module):
    """The linear layers of a mixer by attention: `query`, `key_value` (rows: keys, then values) and `output` after the heads are
    merged. `bias` says which of them have one."""

    def __init__(self, dim: int, heads: int, *, bias: AttentionBias = "all", output: Literal["linear", "identity"] = "linear"):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias=bias == "all")
        self.key_value = nn.Linear(dim, 2 * dim, bias=bias == "all")  # one product for both
        self.output = nn.Linear(dim, dim, bias=bias != "none") if output == "linear" else nn.Identity()

    def extra_repr(self) -> str:
        return f"heads={self.heads}"

    def read(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Attention whose queries, keys and values are made from different tokens, as where positions are added to the first two:
        (B, N, C), (B, M, C) twice -> (B, N, C). `mask`: see `attend`."""
        of_key, of_value = self.key_value.weight.chunk(2)
        key_bias, value_bias = (None, None) if self.key_value.bias is None else self.key_value.bias.chunk(2)
        key, value = F.linear(key, of_key, key_bias), F.linear(value, of_value, value_bias)
        return self.output(attend(self.query(query), key, value, heads=self.heads, mask=mask))
