import pytest

from search.objectives import check_names, objectives, point, resolved, with_metric
from search.strategy import STRATEGIES

FREE, TRAINED = ("latency_ms", "params_m"), ("miou", "loss")


def test_points_are_to_be_minimised():
    goals = objectives({"miou": "max", "latency_ms": "min"})
    assert point({"miou": 0.5, "latency_ms": 3}, goals) == (-0.5, 3.0)
    assert point({"miou": None, "latency_ms": 3}, goals) is None
    assert point({"latency_ms": 3}, goals) is None


@pytest.mark.parametrize(
    ("conf", "message"),
    [({}, "none given"), ({"miou": "maxx"}, "search.objectives.miou: unknown direction 'maxx'.*Did you mean 'max'")],
)
def test_objectives_are_checked(conf, message):
    with pytest.raises(ValueError, match=message):
        objectives(conf)


@pytest.mark.parametrize(
    ("conf", "limits", "message"),
    [
        ({"miuo": "max"}, {}, "search.objectives: unknown measurement 'miuo'.*Did you mean 'miou'"),
        ({"miou": "max"}, {"latency": 3.0}, "search.limits: unknown measurement 'latency'.*Did you mean 'latency_ms'"),
        ({"miou": "max"}, {"loss": 3.0}, "search.limits.loss: known only after training.*latency_ms, params_m"),
    ],
)
def test_names_are_checked(conf, limits, message):
    with pytest.raises(ValueError, match=message):
        check_names(conf, limits, free=FREE, trained=TRAINED)


def test_good_names_pass():
    check_names({"miou": "max", "params_m": "min"}, {"latency_ms": 5.0}, free=FREE, trained=TRAINED)


SEGMENTATION, COUNTING = {"miou": "max", "loss": "min"}, {"mae": "min", "mse": "min"}


@pytest.mark.parametrize(
    ("conf", "metrics", "found"),
    [
        ({"accuracy": "max", "latency_ms": "min"}, SEGMENTATION, [("miou", "max"), ("latency_ms", "min")]),
        ({"latency_ms": "min", "accuracy": "max"}, COUNTING, [("latency_ms", "min"), ("mae", "min")]),
        ({"miou": "max", "macs_g": "min"}, SEGMENTATION, [("miou", "max"), ("macs_g", "min")]),
        ({"accuracy": "max", "macs_g": "min", "miou": "max"}, SEGMENTATION, [("miou", "max"), ("macs_g", "min")]),
        ({"accuracy": "max", "loss": "min"}, SEGMENTATION, [("miou", "max"), ("loss", "min")]),
        ({"accuracy": "min"}, {"loss": "min", "accuracy": "max"}, [("accuracy", "min")]),
    ],
)
def test_accuracy_stands_for_the_first_metric_of_the_task(conf, metrics, found):
    assert list(resolved(conf, metrics).items()) == found


def test_a_strategy_names_the_metric():
    strategy = with_metric(STRATEGIES["random"](trials=3), COUNTING)
    assert [(goal.name, goal.direction) for goal in strategy.goals] == [("mae", "min"), ("latency_ms", "min")]
    assert strategy.trials == 3


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (
            {"accuracy": "min"},
            r"search\.objectives\.accuracy: given min; allowed: max, for better \(here miou, max\).*objectives\.miou=",
        ),
        ({"accuracy": "max", "miou": "min"}, r"accuracy is miou \(max\) here, beside miou: min; .*~search\.objectives\.accuracy"),
    ],
)
def test_contradictions_about_accuracy_are_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        resolved(conf, SEGMENTATION)
