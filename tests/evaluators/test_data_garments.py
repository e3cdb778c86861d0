"""The embedded garments as a classification data set."""

import numpy as np
import pytest
import torch

from evaluators.data import DATA, embedded
from evaluators.data.labelled import balanced_part

GARMENTS = DATA["garments"]()


def test_garments_come_as_they_are_in_three_equal_channels():
    val = GARMENTS.val_set(28)
    image, label = val[7]
    source = embedded.garments("val")
    assert torch.equal(image[0], torch.from_numpy(source.images[7]))
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])
    assert label == source.labels[7]
    assert type(label) is int
    assert (len(GARMENTS.train_set(28, 1.0, 0)), len(val)) == (4000, 1000)
    assert GARMENTS.class_names[label] == embedded.NAMES[label]


def test_enlarging_is_bilinear():
    small, large = GARMENTS.val_set(28)[3][0].float(), GARMENTS.val_set(56)[3][0].float()
    expected = torch.nn.functional.interpolate(small[None], (56, 56), mode="bilinear", align_corners=False)[0]
    assert (large - expected).abs().max() <= 1


def test_a_fraction_is_balanced_follows_from_the_seed_and_nests():
    whole = embedded.garments("train").labels
    small, large, other = (GARMENTS.train_set(28, fraction, seed) for fraction, seed in ((0.1, 3), (0.35, 3), (0.1, 4)))
    assert np.bincount(whole[list(small.chosen)]).tolist() == [40] * 10
    assert np.bincount(whole[list(large.chosen)]).tolist() == [140] * 10
    assert set(small.chosen) < set(large.chosen)
    assert small.chosen == GARMENTS.train_set(28, 0.1, 3).chosen != other.chosen


def test_parts_of_unequal_classes():
    labels = [0] * 10 + [1] * 2 + [2]
    chosen = [labels[i] for i in balanced_part(labels, 0.3, 0)]
    assert chosen == [0, 0, 0, 1, 2]
    assert balanced_part(labels, 1.0, 5) == list(range(13))


def test_a_folder_is_refused():
    with pytest.raises(ValueError, match=r"data\.root: the garments are embedded .*'/data'.*data=image_folder"):
        DATA["garments"](root="/data")
