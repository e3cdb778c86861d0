from dataclasses import dataclass, make_dataclass
from typing import Literal

import pytest

from space.schema import struct_of


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("repeat", int)], "cannot be called 'repeat'; reserved words"),
        ([("size", dict)], "cannot hold a field of type"),
        ([("size", bool)], "cannot hold a field of type"),
        ([("size", Literal[True, 1])], "cannot hold a field of type"),
    ],
)
def test_a_network_that_no_space_can_describe_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        struct_of(make_dataclass("Odd", fields))


def test_repeats_refuse_ambiguous_names():
    @dataclass
    class Counted:
        count: int

    item = make_dataclass("Item", [("size", int)])
    with pytest.raises(ValueError, match="cannot have a field 'count'"):
        struct_of(make_dataclass("Odd", [("layer", tuple[Counted, ...])]))
    with pytest.raises(ValueError, match="an item of the repeat 'layer'"):
        struct_of(make_dataclass("Odd", [("layer", tuple[item, ...]), ("layer2", int)]))
