"""How far a candidate's chances are from its teacher's: Kullback-Leibler divergences, 0 where both say the same.

Both are softened by a temperature T, and the result is multiplied by T * T, so that its gradients are about as large at any T.
Source: arXiv 1503.02531
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def of_choices(logits: Tensor, taught: Tensor, *, temperature: float) -> Tensor:
    """(...): of the distributions over the last axis that two (..., K) logits stand for."""
    log_taught = F.log_softmax(taught.float() / temperature, -1)
    log_own = F.log_softmax(logits.float() / temperature, -1)
    return (log_taught.exp() * (log_taught - log_own)).sum(-1) * temperature**2


def of_chances(logits: Tensor, taught: Tensor, *, temperature: float) -> Tensor:
    """(...): of yes and no, one entry for each of the two logits' entries."""
    own, other = logits.float() / temperature, taught.float() / temperature
    wanted = other.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(other, wanted, reduction="none")
    return (F.binary_cross_entropy_with_logits(own, wanted, reduction="none") - entropy) * temperature**2


def mean_where(values: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of `values`, both of one shape; 0 where nothing weighs anything."""
    return (values * weight).sum() / weight.sum().clamp(min=torch.finfo(torch.float32).eps)
