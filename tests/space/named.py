"""The spaces and architectures of conf/, by name, for the tests beside this file."""

from functools import cache

import yaml

from config import compose, conf_file, find_arch, load_space
from space import Arch, Space, SpaceConf


def arch(name: str) -> Arch:
    return find_arch(name)


@cache
def space(name: str) -> Space:
    with compose([f"+space={name}"]) as conf:
        return load_space(conf, name, [])


def alone(name: str) -> Space:
    """The space of conf/space/<name>.yaml without the data and the schedule that it is searched with."""
    written = yaml.safe_load(conf_file("space", name).read_text())
    del written["defaults"]
    return Space.load(SpaceConf(**written), name, find_arch, source=f"conf/space/{name}.yaml")


@cache
def yolox_space() -> Space:
    return alone("yolox")


@cache
def pet_space() -> Space:
    return alone("pet")
