"""Multiply-adds that attention does between its linear layers."""

import torch
from torch import nn
from torch.nn import functional as F

from evaluators.cost import COUNTERS
from evaluators.cost._functions import Functions, products


@COUNTERS.register("attention_macs_g")
def attention_macs_g(model: nn.Module, image: torch.Tensor) -> float:
    """1e9 multiply-adds of the two products of every softmax attention (queries with keys, scores with values), wherever torch's
    `scaled_dot_product_attention` computes it. They are in `macs_g` too; no parameter stands behind them, and some published tables
    leave them out. Matrices over positions that are parameters (spatial FC, random) are not in it."""
    with Functions({F.scaled_dot_product_attention: products}) as functions:
        model(image)
    return functions.total / 1e9
