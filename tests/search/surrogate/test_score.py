import numpy as np
import pytest

from search.surrogate.score import ALIKE, scores, weights
from search.surrogate.warp import Warp

LAST = 2
TOLD = np.random.default_rng(0).standard_normal((60, 3))


def read(*, accuracy: float, loss: float, whole: int):
    """60 members at rung 1, `whole` of them at rung 2 as well. `accuracy` and `loss`: the part of the final accuracy in either; the
    losses are in some unit of their own."""
    final, by_accuracy, by_loss = TOLD.T
    early = accuracy * final + np.sqrt(1 - accuracy**2) * by_accuracy
    losses = 0.3 - 0.01 * (loss * final + np.sqrt(1 - loss**2) * by_loss)
    rungs, rows = np.repeat([1, 2], [60, whole]), np.concatenate([np.arange(60), np.arange(whole)])
    return np.concatenate([early, final[:whole]]), np.concatenate([losses, np.full(whole, 0.2)]), rungs, rows, LAST


def agreement(found):
    return np.corrcoef(found[:60], TOLD[:, 0])[0, 1]


@pytest.mark.parametrize("whole", [0, 4, 20])
def test_accuracy_and_loss_together_tell_more_than_either(whole):
    given = read(accuracy=0.6, loss=0.6, whole=whole)
    assert agreement(scores(*given)) > max(agreement(given[0]), agreement(-given[1])) + 0.05


@pytest.mark.parametrize(("accuracy", "loss"), [(0.0, 0.9), (0.9, 0.0)])
def test_members_trained_to_the_end_tell_which_of_the_two_to_go_by(accuracy, loss):
    few, many = (agreement(scores(*read(accuracy=accuracy, loss=loss, whole=whole))) for whole in (0, 40))
    assert 0.5 < few < many
    assert many > 0.8


def test_without_losses_accuracies_stay_what_they_are():
    accuracies, losses, *rest = read(accuracy=0.6, loss=0.6, whole=10)
    assert (scores(accuracies, np.full_like(losses, np.nan), *rest) == accuracies).all()
    assert (scores(accuracies, np.full_like(losses, 0.7), *rest) == accuracies).all()  # nor where all have the same
    one_lost = np.where(np.arange(70) == 7, np.nan, losses)
    found = scores(accuracies, one_lost, *rest)
    assert found[7] == accuracies[7]
    assert (found[:7] != accuracies[:7]).all()
    assert (found[60:] == accuracies[60:]).all()  # the last rung is what is looked for
    assert (
        scores(accuracies[:4], losses[:4], rest[0][:4], rest[1][:4], LAST) == accuracies[:4]
    ).all()  # too few to tell their scale
    assert scores(np.zeros(0), np.zeros(0), np.zeros(0, int), np.zeros(0, int), LAST).shape == (0,)


def test_where_all_accuracies_are_at_the_floor_the_loss_tells():
    accuracies, losses, *rest = read(accuracy=0.6, loss=0.8, whole=4)
    accuracies[:60] = 0.0
    assert agreement(scores(accuracies, losses, *rest)) > 0.7


def test_a_score_has_the_spread_of_what_it_is_made_of_and_no_loss_counts_against_its_network():
    accuracies, losses, *rest = read(accuracy=0.6, loss=0.6, whole=10)
    spread = max(accuracies[:60].std(), Warp.of(-losses[:60])(-losses[:60]).std())
    assert scores(accuracies, losses, *rest)[:60].std() == pytest.approx(spread)
    both = np.column_stack([TOLD[:, 0], -TOLD[:, 0]])
    assert (weights(both, TOLD[:, 0]) >= 0).all()
    assert (weights(-np.abs(both[:, :1]) * [1, 1], np.abs(TOLD[:, 0])) == ALIKE).all()  # both against: chance, so as before
