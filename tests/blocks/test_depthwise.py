"""The depthwise convolution: how channels are shared, which channel makes which, and kernels carried over to others."""

import pytest
import torch

from blocks.depthwise import DepthwiseSplit, depthwise_conv, shares_of


@pytest.mark.parametrize(
    ("channels", "count", "shares"),
    [(16, 2, [8, 8]), (32, 4, [8] * 4), (64, 4, [16] * 4), (128, 4, [32] * 4), (10, 4, [3, 3, 3, 1]), (5, 1, [5]), (7, 2, [4, 3])],
)
def test_shares_are_equal_and_the_last_is_what_is_left(channels, count, shares):
    assert shares_of(channels, count) == shares
    assert DepthwiseSplit(channels, [3] * count).shares == shares


@pytest.mark.parametrize(("channels", "count", "left"), [(5, 4, -1), (8, 5, 0), (1, 2, 0)])
def test_shares_that_leave_the_last_kernel_nothing(channels, count, left):
    with pytest.raises(ValueError, match=f"{channels} channels in {count} shares .* leave {left} for the last kernel"):
        DepthwiseSplit(channels, [3] * count)


def test_output_channels_stand_in_the_order_of_the_inputs():
    split = DepthwiseSplit(4, [3, 5], multiplier=2, bias=False)
    x = torch.zeros(1, 4, 5, 5)
    x[0, 2] = 1
    assert split(x).abs().sum((0, 2, 3)).nonzero().flatten().tolist() == [4, 5]


@pytest.mark.parametrize("stride", [1, 2])
def test_each_share_has_its_own_kernel(stride):
    split = DepthwiseSplit(6, [3, 5], stride=stride, bias=False)
    x = torch.randn(2, 6, 9, 8)
    expected = torch.cat([split.convs[0](x[:, :3]), split.convs[1](x[:, 3:])], dim=1)
    torch.testing.assert_close(split(x), expected, rtol=0, atol=0)
    assert expected.shape == (2, 6, -(-9 // stride), -(-8 // stride))


@pytest.mark.parametrize(("stride", "multiplier", "bias"), [(1, 1, True), (2, 2, False), (2, 1, False)])
def test_other_shares_and_larger_kernels_adopt_the_same_function(stride, multiplier, bias):
    theirs = DepthwiseSplit(8, [3, 5], stride=stride, multiplier=multiplier, bias=bias)
    ours = DepthwiseSplit(8, [5, 7, 5], stride=stride, multiplier=multiplier, bias=bias)
    adopted = ours.adopted(theirs)
    assert set(adopted.tensors) == set(ours.state_dict())
    ours.load_state_dict(adopted.tensors)
    x = torch.randn(2, 8, 11, 9)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("change", [{"stride": 2}, {"multiplier": 2}, {"bias": False}])
def test_nothing_is_adopted_from_another_form(change):
    assert DepthwiseSplit(8, [5]).adopted(DepthwiseSplit(8, [3], **change)) is None


def test_nothing_is_adopted_where_a_kernel_would_be_cut():
    assert DepthwiseSplit(8, [3, 5]).adopted(DepthwiseSplit(8, [5])) is None


def test_one_layer_counts_one_filter_a_channel():
    assert sum(p.numel() for p in depthwise_conv(6, 5, multiplier=2).parameters()) == 6 * 2 * 25 + 12
