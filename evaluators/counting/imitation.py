"""A counter's distance from its teacher's three outputs, as means over a batch."""

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluators.counting.queries import chances
from evaluators.distill.divergence import mean_where, of_choices


def imitations(
    rows: Tensor, taught: Tensor, decoded: Tensor, *, size: tuple[int, int], nothing_weight: float, temperature: float
) -> tuple[Tensor, Tensor]:
    """Divergence of the chances and smooth L1 of the points of a level's rows (B, N, 4), over those `decoded` (B, N).

    As in the loss on the truth, a query without a person weighs `nothing_weight`, and points are parts of the image's height and
    width; here both follow the teacher's chance of a person.
    """
    rows, taught = rows.float(), taught.float().masked_fill(~decoded[..., None], 0.0)
    person = chances(taught)
    entropy = of_choices(rows[..., :2].masked_fill(~decoded[..., None], 0.0), taught[..., :2], temperature=temperature)
    sides = rows.new_tensor(size)
    error = F.smooth_l1_loss(rows[..., 2:] / sides, taught[..., 2:] / sides, reduction="none").sum(-1)
    weight = (nothing_weight + (1 - nothing_weight) * person) * decoded
    return mean_where(entropy, weight), mean_where(error, person * decoded)


def split_imitation(split: Tensor, taught: Tensor) -> Tensor:
    """Divergence of the probabilities (B, h, w) that a patch is dense, over patches that hold any of the image."""
    real = ~taught.isnan()
    own, other = (values.float()[real].clamp(1e-6, 1 - 1e-6) for values in (split, taught))
    entropy = F.binary_cross_entropy(other, other, reduction="none")
    return torch.sum(F.binary_cross_entropy(own, other, reduction="none") - entropy) / max(real.sum().item(), 1)
