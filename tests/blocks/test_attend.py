"""Attention whose queries, keys and values are made from different tokens."""

import pytest
import torch
from torch import nn

from blocks.attend import AttentionLayers


def twins(bias: bool = True) -> tuple[AttentionLayers, nn.MultiheadAttention]:
    """Ours, and torch's module with the same weights."""
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(16, 4, bias=bias, batch_first=True).eval()
    ours = AttentionLayers(16, 4, bias="all" if bias else "none").eval()
    weights = {
        "query.weight": theirs.in_proj_weight[:16],
        "key_value.weight": theirs.in_proj_weight[16:],
        "output.weight": theirs.out_proj.weight,
    }
    if bias:
        nn.init.normal_(theirs.in_proj_bias)
        pairs = {"query.bias": theirs.in_proj_bias[:16], "key_value.bias": theirs.in_proj_bias[16:]}
        weights |= {**pairs, "output.bias": theirs.out_proj.bias}
    ours.load_state_dict(weights)
    return ours, theirs


@pytest.mark.parametrize("bias", [True, False])
def test_reading_equals_torchs_attention(bias):
    ours, theirs = twins(bias)
    query, key, value = torch.randn(3, 5, 16), torch.randn(3, 7, 16), torch.randn(3, 7, 16)
    torch.testing.assert_close(ours.read(query, key, value), theirs(query, key, value)[0])


def test_masked_keys_are_never_read():
    ours, theirs = twins()
    query, key, value = torch.randn(2, 5, 16), torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    mask = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])
    expected = theirs(query, key, value, key_padding_mask=~mask)[0]
    torch.testing.assert_close(ours.read(query, key, value, mask=mask), expected)
    torch.testing.assert_close(ours.read(query[1:], key[1:, :3], value[1:, :3]), expected[1:])
