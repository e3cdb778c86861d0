"""What a graph cannot hold is told with the operator and the line of the network that calls it."""

import pytest
from torch import nn

from evaluators.formats.onnx import NotExportable, captured, quiet


def kept(x):
    return x[(x > 0).flatten().nonzero().squeeze(1)] if x.ndim == 1 else x.flatten()[(x > 0).flatten().nonzero().squeeze(1)]


class Counting(nn.Module):
    def forward(self, image):
        found = kept(image)
        return found if len(found) == image.numel() else found.sum() + image


class Undecided(nn.Module):
    def forward(self, image):
        return image if image.sum() > 0 else -image


class Unequal(nn.Module):
    """Cannot be captured for another reason, and looks at a value on the way that a graph does hold."""

    def forward(self, image):
        image.nonzero()
        return image.reshape(2, -1, 5)


@pytest.mark.parametrize(
    ("network", "operator", "where"),
    [
        (Counting(), "aten.nonzero", "kept, test_depending.py:"),
        (Undecided(), r"aten\._local_scalar_dense|aten\.is_nonzero|aten\.item", "forward, test_depending.py:"),
    ],
)
def test_the_operator_is_named_and_where_it_stands(network, operator, where):
    with quiet(), pytest.raises(NotExportable, match=rf"^({operator}) in {where}\d+ \(.*\) cannot be written as ONNX: ") as refused:
        captured(network, (8, 8))
    assert "depends on" in refused.value.why


def test_another_failure_is_not_blamed_on_it():
    with quiet(), pytest.raises(NotExportable) as refused:
        captured(Unequal(), (8, 8))
    assert refused.value.operator == ""
