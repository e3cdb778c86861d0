"""What the model believes before it has read anything, over every space there is."""

import random

import numpy as np
import pytest
from scipy.stats import spearmanr

from config import CONF, compose, load_space
from search.surrogate.features import encoding
from search.surrogate.gaussian_process import Data, GaussianProcess
from search.surrogate.likeness import squared

SPACES = sorted(file.stem for file in (CONF / "space").glob("*.yaml"))


def code_of(name):
    with compose([f"+space={name}"]) as conf:
        return encoding(load_space(conf, name, [f"+space={name}"]))


def process(code, members, values):
    return GaussianProcess(code, Data(members, np.zeros((len(members), 0)), np.ones(len(members), int), values), 1)


@pytest.mark.parametrize("name", SPACES)
def test_random_members_tell_of_one_another_however_many_holes_there_are(name):
    code = code_of(name)
    weights = np.exp(process(code, code.sample[:0], np.zeros(0)).prior.mean)
    holes = len(code.ordered)
    options, _ = code.coordinates(code.sample)
    counts = code.counts(code.sample)
    assert 0.2 < np.exp(-weights[0] * squared(options, options)).mean() < 0.8
    assert 0.4 < np.exp(-weights[holes] * squared(counts, counts)).mean() < 0.9


@pytest.mark.parametrize("name", ["segformer", "yolox"])
def test_forty_readings_say_which_unseen_members_are_good(name):
    """Where every option adds something of its own."""
    code, found = code_of(name), []
    for seed in range(2):
        space, draw = code.space, random.Random(seed)
        members = code([space.sample(draw) for _ in range(160)])
        dummies = code.dummies(members)
        values = (dummies - dummies.mean(0)) @ np.random.default_rng(seed).normal(size=dummies.shape[1])
        values = (values - values.mean()) / values.std()
        mean, _ = process(code, members[:40], values[:40]).fitted().predict(members[40:], np.zeros((120, 0)), (1,))
        found.append(spearmanr(mean[:, 0], values[40:])[0])
    assert np.mean(found) > 0.45
