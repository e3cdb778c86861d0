"""SimOTA in both forms against published rules worked out by hand and cases measured on YOLOX's own code."""

import math

import pytest
import torch

from evaluators.detection.assign import RULES, assign, class_cost, geometry, match
from evaluators.detection.cells import cells, decode, iou

GRID = cells((416, 416))
LEVELS = [2704, 676, 169]


def per_level(mask):
    return [part.sum().item() for part in mask.split(LEVELS)]


@pytest.mark.parametrize(
    ("box", "upstream", "either", "both"),
    [((208, 208, 100, 60), [4, 4, 9], [96, 24, 25], 35), ((100, 120, 50, 80), [6, 9, 9], [70, 25, 25], 39)],
)
def test_candidates(box, upstream, either, both):
    boxes = torch.tensor([box], dtype=torch.float32)
    near, preferred = geometry(boxes, GRID, RULES["upstream"])
    assert per_level(near[0]) == upstream
    assert torch.equal(near, preferred)
    near, preferred = geometry(boxes, GRID, RULES["team_older"])
    assert per_level(near[0]) == either
    assert preferred.sum() == both


def three_boxes():
    """Every cell predicts a 64 x 64 box on its centre, objectness -1, classes -2; three boxes of which two overlap."""
    output = torch.full((3549, 25), -2.0)
    output[:, :2], output[:, 2:4], output[:, 4] = 0.5, (64 / GRID.stride).log(), -1.0
    boxes = torch.tensor([[101.0, 118, 50, 80], [211, 205, 100, 60], [120, 125, 70, 60]])
    return output, boxes, torch.tensor([7, 3, 14])


UPSTREAM = """8,12,13,0,.6205 8,12,14,0,.6536 8,13,14,0,.6536 8,14,14,2,.6736 8,15,14,2,.6736 8,12,15,0,.6536 8,13,15,0,.6536
8,14,15,2,.8370 8,15,15,2,.8370 8,14,16,2,.7172 8,15,16,2,.7172 8,25,25,1,.6138 8,26,25,1,.6138 8,27,25,1,.6138 16,6,7,0,.6536
16,7,7,2,.7849 16,13,12,1,.5658 32,6,6,1,.5975"""


def listed(found):
    where = torch.cat([GRID[found.cell].stride, GRID[found.cell].corner, found.box[:, None]], 1).long()
    return [(*row, overlap) for row, overlap in zip(where.tolist(), found.iou.tolist(), strict=True)]


def test_three_boxes_as_measured_upstream():
    output, boxes, labels = three_boxes()
    found = listed(assign(output, boxes, labels, cells=GRID, rule=RULES["upstream"]))
    expected = [tuple(map(float, row.split(","))) for row in UPSTREAM.split()]
    assert [row[:4] for row in found] == [row[:4] for row in expected]
    assert [row[4] for row in found] == pytest.approx([row[4] for row in expected], abs=5e-5)


def test_three_boxes_in_the_older_form_differ_in_the_box_that_stands_alone():
    output, boxes, labels = three_boxes()
    newer, older = (listed(assign(output, boxes, labels, cells=GRID, rule=RULES[name])) for name in ("upstream", "team_older"))
    assert [row for row in newer if row[3] != 1] == [row for row in older if row[3] != 1]
    assert [row[:3] for row in older if row[3] == 1] == [(8, column, 25) for column in range(24, 29)]


def test_class_cost_is_binary_cross_entropy_of_the_root():
    raw = torch.randn(7, 5 + 4, generator=torch.Generator().manual_seed(1)) * 4
    labels = torch.tensor([2, 0, 2])
    chance = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).sqrt().expand(3, 7, 4)
    wanted = torch.nn.functional.one_hot(labels, 4).float()[:, None].expand(3, 7, 4)
    direct = torch.nn.functional.binary_cross_entropy(chance, wanted, reduction="none").sum(-1)
    assert torch.allclose(class_cost(raw, labels), direct, rtol=1e-5)
    one = torch.zeros(1, 6)  # sqrt(1/2 x 1/2) = 1/2
    assert class_cost(one, torch.tensor([0])).item() == pytest.approx(math.log(2))
    assert class_cost(one.index_fill(1, torch.tensor([4, 5]), 500.0), torch.tensor([0])).item() == 0
    assert class_cost(one.index_fill(1, torch.tensor([4, 5]), -500.0), torch.tensor([0])).item() == 100


def test_match_gives_a_cell_taken_twice_to_the_box_that_it_costs_least():
    cost = torch.tensor([[1.0, 5, 9, 9], [2, 9, 3, 9], [9, 0.1, 0.5, 9]])
    overlap = torch.tensor([[0.9, 0.8, 0.4, 0], [0.9, 0, 0.3, 0], [0.6, 0.5, 0.2, 0]])  # sums 2.1, 1.2, 1.3: two, one, one
    column, box = match(cost, overlap)
    # the first takes 0 and 1, the second 0, the third 1; 0 costs the first less, 1 the third
    assert column.tolist() == [0, 1]
    assert box.tolist() == [0, 2]
    cost[2, 0] = 0.5  # less than the two that want it; the third has what it wanted
    assert match(cost, overlap)[1].tolist() == [2, 2]


def test_a_box_takes_one_cell_where_nothing_overlaps_and_at_most_ten():
    cost = torch.arange(12.0).flip(0)[None]
    assert match(cost, torch.zeros(1, 12))[0].tolist() == [11]
    assert match(cost, torch.ones(1, 12))[0].tolist() == list(range(2, 12))
    assert match(cost[:, :3], torch.ones(1, 3))[0].tolist() == [0, 1, 2]


def test_equal_costs_do_not_make_a_box_take_more():
    cost = torch.tensor([[1.0, 0, 1, 1, 1, 2], [3, 3, 3, 3, 3, 3]])
    column, box = match(cost, torch.tensor([[0.5] * 6, [0.4] * 6]))  # sums 3, 2.4: three, two
    assert (box == 0).sum() == 3
    assert 1 in column[box == 0]
    assert 5 not in column[box == 0]
    assert 0 <= (box == 1).sum() <= 2


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_box_far_outside_of_its_image_has_no_cell_of_its_own(rule):
    grid = cells((64, 64))
    output, labels = torch.zeros(len(grid), 7), torch.tensor([1, 0])
    outside = torch.tensor([[-300.0, -300, 20, 20]])
    found = assign(output, outside, labels[:1], cells=grid, rule=RULES[rule])
    assert len(found.cell) == len(found.box) == len(found.iou) == 0
    both = torch.cat([outside, torch.tensor([[30.0, 30, 20, 20]])])
    found = assign(output, both, labels, cells=grid, rule=RULES[rule])
    # the penalty is finite: it takes a cell near the other box, unless that costs the other less
    assert set(found.box.tolist()) <= {0, 1}
    assert 1 in found.box


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_outputs_that_are_not_finite_are_assigned_all_the_same(bad, rule):
    output, boxes, labels = three_boxes()
    found = assign(torch.full_like(output, bad), boxes, labels, cells=GRID, rule=RULES[rule])
    assert len(found.cell) >= 3
    assert found.iou.isfinite().all()


def test_half_precision_is_assigned_in_float32():
    output, boxes, labels = three_boxes()
    found = assign(output.bfloat16(), boxes, labels, cells=GRID, rule=RULES["upstream"])
    assert found.iou.dtype == torch.float32
    predicted = decode(output.bfloat16()[found.cell, :4], GRID[found.cell])
    assert torch.allclose(found.iou, iou(predicted, boxes[found.box]))
