"""An architecture as a flat table."""

from space.places import places


def test_places_are_named_as_choices_are():
    arch = {"stage1": {"depth": 2, "mixer": {"name": "pool", "size": 3}}, "windows": [8, 4]}
    assert places(arch) == {"stage1.depth": "2", "stage1.mixer": "pool", "stage1.mixer.pool.size": "3", "windows": "[8, 4]"}
