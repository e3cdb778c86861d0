"""A space whose members are exactly the rows of a table: all combinations of its choices, or the part that was trained."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from evaluators.tables.rows import Key
from registry import nearest
from space import NETWORKS, Arch, Changes, RuleError, Size, Space, SpaceConf
from space.sample import steps

PREFIX = "table_"


@dataclass(frozen=True, eq=False, repr=False)
class RecordedSpace(Space):
    """Its one rule, that a member was recorded, is not written as an expression: every method that asks the rules is answered from
    the rows instead. A member without a recorded neighbour has no changes."""

    members: dict[Key, Arch] = field(default_factory=dict)
    same: dict[Key, Key] = field(default_factory=dict)  # rows that are the same network as another one, and that one

    def __reduce__(self) -> tuple[Any, ...]:
        conf, name, _, source, _ = self.origin
        return recorded_space, (name, conf, source, list(self.members), self._key(self.baseline), self.same)

    def sample(self, rng: random.Random) -> Arch:
        """Each recorded member is equally likely."""
        return rng.choice(self._listed)

    def changes(self, arch: Arch) -> Changes:
        choices = self.choices(arch)

        def make(name: str, option: Any) -> Arch | None:
            return self.members.get(tuple({**choices, name: option}[each] for each in self._hole_names))

        return Changes(tuple(steps(self.holes(), choices)), make)

    def neighbours(self, arch: Arch, rng: random.Random) -> Iterator[Arch]:
        """Of a partial sample, which may have no two rows one step apart, all other members, the nearest first."""
        if self.whole:
            yield from super().neighbours(arch, rng)
        else:
            yield from (found for found in self._nearest(arch.arch, rng) if found is not arch)

    def nearest(self, values: Mapping[str, Any], rng: random.Random) -> Arch:
        """The member that differs in the fewest choices."""
        found = self.members.get(tuple(values[name] for name in self._hole_names))
        return found or next(self._nearest(values, rng))

    @cached_property
    def twins(self) -> Mapping[Arch, Arch]:
        return {self.members[key]: self.members[other] for key, other in self.same.items()}

    @cached_property
    def whole(self) -> bool:
        """Whether every combination of the choices was recorded."""
        return len(self.members) == math.prod(len(hole.options) for hole in self.holes())

    def _nearest(self, values: Mapping[str, Any], rng: random.Random) -> Iterator[Arch]:
        """All members by the number of choices that differ; those that differ in as many in random order."""
        at = [hole.options.index(values[hole.name]) for hole in self.holes()]
        differing = (self._options != np.array(at, np.int16)).sum(1)
        shuffle = np.random.default_rng(rng.getrandbits(64)).permutation
        for count in range(len(at) + 1):
            yield from (self._listed[place] for place in shuffle(np.flatnonzero(differing == count)).tolist())

    @cached_property
    def _options(self) -> np.ndarray:
        """(members, choices): the index of each option."""
        index = [{option: place for place, option in enumerate(hole.options)} for hole in self.holes()]
        rows = [[of[arch.arch[hole.name]] for of, hole in zip(index, self.holes(), strict=True)] for arch in self._listed]
        return np.array(rows, np.int16)

    def size(self) -> Size:
        return Size(len(self.members), True, len(self.members))

    def check(self, arch: Arch) -> None:
        if arch.network == self.network and self._key(arch) in self.members:
            return
        super().check(arch)
        raise ValueError(f"{arch!r} is no member of space '{self.name}': {self._unrecorded(arch.arch)}")

    def __contains__(self, arch: object) -> bool:
        return isinstance(arch, Arch) and arch.network == self.network and self._key(arch) in self.members

    def choices(self, arch: Arch) -> dict[str, Any]:
        return dict(self._member(arch).arch)

    def fill(self, values: Mapping[str, Any]) -> Arch:
        """RuleError where these values were not recorded."""
        if len(values) == len(self._hole_names):
            found = self.members.get(tuple(values.get(name) for name in self._hole_names))
            if found is not None:
                return found
        arch = super().fill(values)  # says what is wrong with a name or a value
        if arch in self:
            return self._member(arch)
        raise RuleError("recorded", self._unrecorded(arch.arch))

    def enumerate(self) -> Iterator[Arch]:
        """In the order of the rows."""
        yield from self.members.values()

    def _key(self, arch: Arch) -> Key:
        return tuple(arch.arch.get(name) for name in self._hole_names)

    def _member(self, arch: Arch) -> Arch:
        """The one object that stands for a row: its id is computed once."""
        self.check(arch)
        return self.members[self._key(arch)]

    @cached_property
    def _listed(self) -> list[Arch]:
        return list(self.members.values())

    def _unrecorded(self, plain: Mapping[str, Any]) -> str:
        return f"no row of the table has {', '.join(f'{name}={value}' for name, value in plain.items())}"


def recorded_space(name: str, conf: SpaceConf, source: str, keys: list[Key], baseline: Key, same: dict[Key, Key]) -> RecordedSpace:
    """The space of a table's choices with these rows as members (`same`: those that are one network); its network is registered on
    the way."""
    register_network(conf)
    members = {key: Arch(conf.network, dict(zip(conf.arch, key, strict=True))) for key in keys}
    loaded = RecordedSpace.load(conf, name, lambda _: members[baseline], source=source)
    return replace(loaded, members=members, same=same)


def space_conf(name: str, choices: Mapping[str, list[Any]]) -> SpaceConf:
    """The choices of table `name` in the language of spaces."""
    holes = {choice: {"choice": list(values)} for choice, values in choices.items()}
    return SpaceConf(network=f"{PREFIX}{name}", baseline="baseline", arch=holes)


def register_network(conf: SpaceConf) -> None:
    """Enter the network that a table's rows are architectures of. Registering the same choices again changes nothing."""
    types = {choice: type(hole["choice"][0]) for choice, hole in conf.arch.items()}
    if conf.network in NETWORKS:
        if getattr(NETWORKS[conf.network], "types", None) != types:
            name = conf.network.removeprefix(PREFIX)
            raise ValueError(f"table '{name}': this process knows another table of that name, with other choices; rename one")
        return
    arch = make_dataclass(f"{conf.network}_arch", list(types.items()), frozen=True)
    NETWORKS.register(conf.network)(type(conf.network, (Recorded,), {"Arch": arch, "types": types}))


def restore_network(conf: Mapping[str, Any]) -> None:
    """What the config.yaml of a replayed run says of its architectures, for whoever reads the run's log in another process."""
    space = conf.get("space") or {}
    if conf.get("table") and str(space.get("network", "")).startswith(PREFIX):
        register_network(SpaceConf(network=space["network"], arch=space["arch"]))


class Recorded:
    """The network of a table's architectures: there is nothing to build."""

    Arch: type
    types: Mapping[str, type]

    def __init__(self, arch: Any, classes: int):
        known = nearest("", [name for name in NETWORKS if not name.startswith(PREFIX)])
        raise ValueError(f"{type(self).__name__}: a row of a recorded table cannot be built; networks that can: {known}")
