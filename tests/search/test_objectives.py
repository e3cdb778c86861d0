import pytest

from search.objectives import check_names, objectives, point

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
