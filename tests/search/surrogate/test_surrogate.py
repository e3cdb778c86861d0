import random
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from threadpoolctl import threadpool_info
from torch import nn
from toy import ATTENTION, TOY_MIXER

from registry import Option
from search.pareto import hypervolume
from search.surrogate.features import ABSENT, Encoding, encoding
from search.surrogate.gaussian_process import Data, GaussianProcess
from search.surrogate.improvement import Staircase
from search.surrogate.likeness import squared
from search.surrogate.threads import one_thread
from search.surrogate.warp import Warp
from space import NETWORKS, Arch, Space, SpaceConf

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class ToyStage:
    depth: int = 1
    mixer: Annotated[Option, TOY_MIXER] = ATTENTION


@dataclass(frozen=True)
class ToyStages:
    stage1: ToyStage = ToyStage()
    stage2: ToyStage = ToyStage()
    stage3: ToyStage = ToyStage()
    stage4: ToyStage = ToyStage()


@NETWORKS.register("toy_stages")
class Stages(nn.Module):
    Arch = ToyStages


@pytest.fixture(scope="module")
def space() -> Space:
    mixer = {"choice": ["attention", "pool"], "pool": {"size": {"choice": [3, 5, 7]}}}
    arch = {f"stage{n}": {"mixer": mixer, "depth": {"int": [1, 3]}} for n in (1, 2, 3, 4)}
    conf = SpaceConf(network="toy_stages", baseline="plain", arch=arch)
    return Space.load(conf, "stages", lambda name: Arch.make("toy_stages", {}))


def test_members_are_encoded_by_their_options_and_compared_hole_by_hole(space):
    code = encoding(space)
    members = [space.sample(random.Random(n)) for n in range(40)]
    rows = code(members)
    holes = [hole for hole in space.holes() if len(hole.options) > 1]
    for row, arch in zip(rows, members, strict=True):
        chosen = space.choices(arch)
        for index, hole in zip(row, holes, strict=True):
            assert index == (hole.options.index(chosen[hole.name]) if hole.name in chosen else ABSENT)
    coordinates, hole_of = code.coordinates(rows)
    by_hole = np.stack([squared(coordinates[:, hole_of == n], coordinates[:, hole_of == n]) for n in range(len(holes))], 2)
    for one, two in np.ndindex(40, 40):
        for n, hole in enumerate(holes):
            a, b = rows[one, n], rows[two, n]
            numbers = hole.name.endswith(("depth", "size")) and ABSENT not in (a, b)
            assert by_hole[one, two, n] == pytest.approx(abs(a - b) / (len(hole.options) - 1) if numbers else float(a != b))
    assert code.dummies(rows).sum(1).max() <= len(holes)


def test_the_same_question_in_several_places_is_counted(space):
    code = encoding(space)
    names = [hole.name for hole in space.holes() if len(hole.options) > 1]
    groups = [{names[hole] for hole in holes} for holes, _ in code.groups]
    assert {f"stage{n}.mixer" for n in (1, 2, 3, 4)} in groups
    assert {f"stage{n}.mixer.pool.size" for n in (1, 2, 3, 4)} in groups
    rows = code([space.sample(random.Random(n)) for n in range(5)])
    assert np.allclose(code.counts(rows)[:, :3].sum(1), 2)  # four depths, over the root of four


class Plain(Encoding):
    """Of two holes that put the same question, with four words to answer it."""

    _sizes = (4, 4)
    _twins = MappingProxyType({})
    sample = np.stack(np.divmod(np.arange(16), 4), 1)

    def __init__(self):
        super().__init__(None, np.zeros(2, int), (((0, 1), 4),))


def process(count=24, rungs=3):
    members, costs = RNG.integers(0, 4, (count, 2)), RNG.normal(size=(count, 1))
    data = Data(members, costs, RNG.integers(1, rungs + 1, count), RNG.normal(size=count))
    return GaussianProcess(Plain(), data, rungs)


def test_the_gradient_of_the_fit_is_that_of_its_loss():
    made = process()
    theta = made.theta + RNG.normal(size=len(made.theta)) * 0.2
    _, gradient = made._loss(theta)
    steps = 1e-5 * np.eye(len(theta))
    numbers = [(made._loss(theta + step)[0] - made._loss(theta - step)[0]) / 2e-5 for step in steps]
    assert np.allclose(gradient, numbers, rtol=1e-4, atol=1e-5)


def test_a_fit_makes_the_readings_more_probable():
    made = process()
    fitted = made.fitted()
    assert fitted._loss(fitted.theta)[0] < made._loss(made.theta)[0]
    assert len(fitted.prior.names) == len(fitted.theta)


def test_options_that_do_alike_come_to_lie_together_and_what_one_hole_tells_counts_in_the_other():
    members = np.array([[a, b] for a in range(4) for b in range(3)])  # the second hole was never answered by 3
    values = (members[:, 0] >= 2) * 2.0 - 1 + ((members[:, 1] >= 2) * 2.0 - 1)
    made = GaussianProcess(Plain(), Data(members, np.zeros((12, 0)), np.ones(12, int), values), 1).fitted()
    places = made.theta[[name == "place" for name in made.prior.names]].reshape(-1, 2)[:4]
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert max(apart[0, 1], apart[2, 3]) < 0.5 * apart[:2, 2:].min()
    mean, _ = made.predict(np.array([[0, 3], [3, 3]]), np.zeros((2, 0)), (1,))
    assert mean[0, 0] == pytest.approx(0, abs=0.5)  # as [0, 2], of which it was never told
    assert mean[1, 0] > 1


def test_predictions_are_those_of_the_joint_normal_distribution():
    made = process(count=10)
    new = RNG.integers(0, 4, (1, 2)), RNG.normal(size=(1, 1))
    mean, covariance = made.predict(*new, (1, 3))
    old = made.data
    members, costs = np.concatenate([old.members, *[new[0]] * 2]), np.concatenate([old.costs, *[new[1]] * 2])
    rungs = np.concatenate([old.rungs, [1, 3]])
    joint = GaussianProcess(Plain(), Data(members, costs, rungs, np.zeros(12)), 3)
    whole = joint._covariance() - np.diag(np.append(np.zeros(10), joint._noises(joint.theta)[10:] + 1e-6))
    known = np.linalg.inv(whole[:10, :10])
    assert np.allclose(mean[0], whole[10:, :10] @ known @ old.values)
    assert np.allclose(covariance[0], whole[10:, 10:] - whole[10:, :10] @ known @ whole[:10, 10:])
    loss = -multivariate_normal(np.zeros(10), whole[:10, :10]).logpdf(old.values) - 5 * np.log(2 * np.pi)
    assert made._loss(made.theta)[0] == pytest.approx(loss)  # at the prior's mean, which costs nothing


def test_readings_of_a_lower_rung_tell_of_a_higher_one():
    members = np.repeat(np.arange(4), 4)[:, None] % 4 + np.zeros((16, 2), int)
    values = np.where(members[:, 0] > 1, 1.0, -1.0)
    made = GaussianProcess(Plain(), Data(members, np.zeros((16, 0)), np.ones(16, int), values), 2)
    mean, covariance = made.predict(np.array([[3, 3], [0, 0]]), np.zeros((2, 0)), (1, 2))
    assert mean[0, 1] > 0.5 > -0.5 > mean[1, 1]
    assert (covariance[:, 1, 1] > covariance[:, 0, 0]).all()  # what further training adds is not known


def test_a_warp_keeps_the_order_and_is_undone():
    values = np.array([10.0, 12.0, 70.0, 88.0, 90.0, 91.0])
    warp = Warp.of(values)
    warped = warp(values)
    assert (np.diff(warped) > 0).all()
    assert np.allclose(warp.back(warped), values)
    slopes = np.diff(warped) / np.diff(values)
    assert slopes[-1] > 5 * slopes[0]  # failures are alike
    assert warp.back(warp(np.array([93.0])))[0] == pytest.approx(93.0)  # above all seen
    assert np.isfinite(Warp.of(np.array([0.5]))(np.array([0.5, 0.1]))).all()


@pytest.mark.parametrize(("known", "close"), [(0, 1e-9), (1, 1e-9), (2, 0.01)])
def test_a_gain_is_the_growth_of_the_hypervolume(known, close):
    front, candidates = RNG.random((6, 1 + known)), RNG.random((40, 1 + known)) * 0.9
    reference = np.full(1 + known, 0.9)
    stairs = Staircase.of(front[:, 0], front[:, 1:], reference, np.zeros(known))
    points = [tuple(map(float, at)) for at in front]
    before = hypervolume(points, tuple(reference))
    wanted = [hypervolume([*points, tuple(map(float, at))], tuple(reference)) - before for at in candidates]
    assert np.allclose(stairs.gain(candidates[:, :1], candidates[:, 1:])[:, 0], wanted, atol=close)
    assert stairs.volume(reference[0]) == pytest.approx(before, abs=close)


def test_nothing_trained_is_a_staircase_too():
    stairs = Staircase.of(np.zeros(0), np.zeros((0, 1)), np.array([1.0, 2.0]), np.zeros(1))
    assert stairs.gain(np.array([[0.5]]), np.array([[1.0]]))[0, 0] == pytest.approx(0.5)
    assert stairs.volume(1.0) == 0.0


def test_an_ask_computes_in_one_thread_and_leaves_the_others_as_they_were():
    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = threads()
    assert before
    with one_thread():
        assert set(threads()) == {1}
    assert threads() == before
