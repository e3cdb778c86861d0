"""PET's losses. Rows are (B, N, 4): logit of nothing, logit of a person, y, x in pixels; people are y, x in pixels.

Source: arXiv 2308.13814 and github.com/cxliu0/PET.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluators.counting.matching import Pairs

LEAST = 1e-5
"""Added to what a mean divides by, so that the mean of nothing is 0."""


@dataclass(frozen=True)
class Terms:
    """What a batch's losses are sums of, one entry for each row or pair.

    entropy: (B, N) cross-entropy times its weight; weight: (B, N), 0 where a row was not asked; error: (P,) smooth L1 between the
    paired query's point and its person, both as parts of the image's height and width, summed over the two axes.
    """

    entropy: Tensor
    weight: Tensor
    error: Tensor
    pairs: Pairs


def terms(rows: Tensor, asked: Tensor, pairs: Pairs, *, size: tuple[int, int], nothing_weight: float) -> Terms:
    """The terms of a batch of images of `size` (height, width), in float32. A row with a person weighs 1, another asked one
    `nothing_weight`."""
    rows = rows.float()
    person = torch.zeros_like(asked, dtype=torch.int64)
    person[pairs.image, pairs.row] = 1
    logits = rows[..., :2].masked_fill(~asked[..., None], 0.0)
    weight = torch.where(person == 1, 1.0, nothing_weight) * asked
    entropy = F.cross_entropy(logits.flatten(0, 1), person.flatten(), reduction="none").view_as(weight)
    sides = rows.new_tensor(size)
    found = rows[pairs.image, pairs.row, 2:]
    error = F.smooth_l1_loss(found / sides, pairs.person / sides, reduction="none").sum(1)
    return Terms(entropy * weight, weight, error, pairs)


def even(terms: Terms, people: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy and point loss where all rows count alike: the weighted mean over rows, and the mean over `people`."""
    return terms.entropy.sum() / (terms.weight.sum() + LEAST), terms.error.sum() / max(people, 1)


def by_use(terms: Terms, used: Tensor, crowded: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and point loss, each the sum of three means: over the rows that the split uses, in the crowded images
    and in the others, and over the rows that it does not use. used: (B, N) bool; crowded: (B,) bool.

    The first two means of the points divide by all pairs of their images, used or not. A mean of nothing is 0.
    """
    pairs, crowd = terms.pairs, crowded[:, None]
    of_rows = (used & ~crowd, used & crowd, ~used)
    paired_use, paired_crowd = used[pairs.image, pairs.row], crowded[pairs.image]
    of_pairs = ((paired_use, ~paired_crowd), (paired_use, paired_crowd), (~paired_use, ~paired_use))
    entropy = [(terms.entropy * rows).sum() / ((terms.weight * rows).sum() + LEAST) for rows in of_rows]
    points = [(terms.error * use * counted).sum() / (counted.sum() + LEAST) for use, counted in of_pairs]
    return torch.stack(entropy).sum(), torch.stack(points).sum()


def used(split: Tensor, level: str) -> Tensor:
    """Whether a level learns from a row as from one that the split (probability of a crowd) gives it. Nearly all rows are the
    sparse level's, so that it learns everywhere; the dense level's are those of a probability above a half."""
    return 1 - split > 0 if level == "sparse" else split > 0.5


def split_losses(split: Tensor, eligible: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) twice: what it costs an image to have no patch that is surely sparse, and no patch that is surely dense.

    split: (B, h, w) probabilities of the dense level; eligible: (h, w) bool, the patches that hold any of the image.
    """
    sparse, dense = ((values.masked_fill(~eligible, 0.0)).flatten(1).amax(1) for values in (1 - split.float(), split.float()))
    return 1 - sparse, 1 - dense
