"""The spaces and architectures of conf/, by name, for the tests beside this file."""

from functools import cache

from config import compose, find_arch, load_space
from space import Arch, Space


def arch(name: str) -> Arch:
    return find_arch(name)


@cache
def space(name: str) -> Space:
    with compose([f"+space={name}"]) as conf:
        return load_space(conf, name, [])
