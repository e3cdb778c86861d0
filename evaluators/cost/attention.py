"""Multiply-adds that attention does between its linear layers."""

from torch.nn import functional as F

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally, products

attention_macs_g = COUNTERS.register("attention_macs_g")(Tally(1e9, functions={F.scaled_dot_product_attention: products}))
"""1e9 multiply-adds of the two products of every softmax attention (queries with keys, scores with values), wherever torch's
`scaled_dot_product_attention` computes it. They are in `macs_g` and `mixing_macs_g` too; no parameter stands behind them, and some
published tables leave them out. Matrices over positions that are parameters (spatial FC, random) are not in it."""
