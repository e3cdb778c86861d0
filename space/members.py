"""A search space: an architecture with holes, its rules, and the members that are known by name."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from registry import nearest
from space.arch import Arch, structure
from space.change import Changes
from space.parse import parse
from space.rules import Rule, RuleError, broken, parse_rule
from space.sample import changed, sample, steps
from space.schema import shown
from space.size import Joint, Size, fillings, joints_of, measure
from space.template import Group, Hole, Plain, fill, read


@dataclass
class SpaceConf:
    """conf/space/<name>.yaml as it is written, and as the command line narrows it."""

    network: str = "???"
    baseline: str = "???"  # the name of an architecture, a member of the space: always trial 0
    known: list[str] = field(default_factory=list)  # further members, tried next
    input_size: list[int] = field(default_factory=lambda: [512, 512])  # height, width: the deployed input
    arch: dict[str, Any] = field(default_factory=dict)  # the architecture with holes
    rules: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)  # further rules, from the command line


@dataclass(frozen=True, eq=False)
class Space:
    """What may be searched. Everything random comes from the caller's `rng`; orders are those of the network's fields."""

    name: str
    network: str
    input_size: tuple[int, int]
    baseline: Arch
    known: tuple[Arch, ...]
    rules: tuple[Rule, ...]
    template: Group
    baseline_inside: bool
    left_out: tuple[str, ...]
    """Names of known architectures that a narrowing has put outside."""
    origin: tuple[Any, ...]

    @classmethod
    def load(
        cls, conf: SpaceConf, name: str, find_arch: Callable[[str], Arch], *, source: str = "", narrowed: bool = False
    ) -> "Space":
        """Check every part of a space; ValueError names the dotted place and `source`, the file.

        `find_arch` gives a named architecture. `narrowed`: the command line has left out options, so that the baseline may be
        outside (it is still trial 0) and known architectures that are outside are dropped.
        """
        with _said_of(source):
            struct = structure(conf.network)
            template = parse(struct, conf.arch)
            rules = [parse_rule(text, struct, template, strict=not narrowed) for text in conf.rules]
            rules += [parse_rule(text, struct, template) for text in conf.where]
            found = {key: find_arch(key) for key in [conf.baseline, *conf.known]}
            faults = {key: _fault(conf.network, template, rules, arch) for key, arch in found.items()}
            if (outside := [key for key in found if faults[key]]) and not narrowed:
                role = "baseline" if outside[0] == conf.baseline else "known"
                raise ValueError(f"{role} '{outside[0]}' is no member of space '{name}': {faults[outside[0]]}")
            known = [key for key in conf.known if not faults[key]]
            return cls(
                name,
                conf.network,
                _input_size(conf.input_size),
                found[conf.baseline],
                tuple(found[key] for key in known),
                tuple(rules),
                template,
                not faults[conf.baseline],
                tuple(key for key in conf.known if faults[key]),
                (conf, name, found, source, narrowed),
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return _reload, self.origin

    def __repr__(self) -> str:
        return f"Space({self.name}: {len(self.holes())} holes)"

    def sample(self, rng: random.Random) -> Arch:
        """A random member: options equally likely, structure first."""
        return Arch(self.network, sample(self.template, self.rules, rng))

    def changes(self, arch: Arch) -> Changes:
        """Every member that differs from member `arch` in one choice (and in what that choice opens or closes)."""
        active = self.choices(arch)

        def make(name: str, option: Any) -> Arch | None:
            plain = changed(self.template, {**active, name: option}, self._baseline_values)
            return None if broken(self.rules, plain) else Arch(self.network, plain)

        return Changes(tuple(steps(self.holes(), active)), make)

    def neighbours(self, arch: Arch, rng: random.Random) -> Iterator[Arch]:
        """The members nearest to member `arch`: its one-step changes, in random order."""
        yield from (change.arch for change in _changes_of(self, arch).drawn(rng))

    def nearest(self, values: Mapping[str, Any], rng: random.Random) -> Arch:
        """The member to be had for these values, one for each hole: the one that has them, or a RuleError."""
        return self.fill(values)

    @property
    def twins(self) -> Mapping[Arch, Arch]:
        """Members that are the same network as another member, only written otherwise, and that member: what is learnt of one is
        learnt of both. Empty where each member is a network of its own."""
        return {}

    @cached_property
    def _baseline_values(self) -> dict[str, Any]:
        return read(self.template, self.baseline.arch).values if self.baseline.network == self.network else {}

    @cached_property
    def joints(self) -> list[Joint]:
        """What each independent group of rules allows."""
        return joints_of(self.template, self.rules)

    def size(self) -> Size:
        """The number of members: exact wherever it can be counted."""
        return measure(self.template, self.joints)

    def check(self, arch: Arch) -> None:
        """ValueError where `arch` is no member: the place that differs, or the rule it breaks."""
        if fault := _fault(self.network, self.template, self.rules, arch):
            raise ValueError(f"{arch!r} is no member of space '{self.name}': {fault}")

    def __contains__(self, arch: object) -> bool:
        return isinstance(arch, Arch) and not _fault(self.network, self.template, self.rules, arch)

    def choices(self, arch: Arch) -> dict[str, Any]:
        """The value of each active hole of a member, by dotted name."""
        if arch.network == self.network:
            reading = read(self.template, arch.arch)
            if not reading.faults and not broken(self.rules, dict(arch.arch)):
                return reading.values
        self.check(arch)  # says what is wrong
        raise AssertionError(f"{arch!r}: no fault was found")

    def holes(self) -> tuple[Hole, ...]:
        """Every hole, inactive ones included, in a fixed order: each stands behind the one that opens it."""
        return self._holes

    @cached_property
    def _holes(self) -> tuple[Hole, ...]:
        return tuple(self.template.holes())

    def fill(self, values: Mapping[str, Any]) -> Arch:
        """The member with these values; those of inactive holes are ignored. RuleError (a ValueError) names a broken rule."""
        for key in values:
            if key not in self._hole_names:
                raise ValueError(f"unknown choice '{key}'; {nearest(str(key), self._hole_names)}")

        def pick(hole: Hole) -> Any:
            if hole.name not in values:
                raise ValueError(f"{hole.name}: no value given; allowed: {', '.join(map(str, hole.options))}")
            value = values[hole.name]
            value = list(value) if isinstance(value, tuple) else value
            if value not in hole.options:
                raise ValueError(f"{hole.name}: given {shown(value)}; allowed: {', '.join(map(str, hole.options))}")
            return value

        plain = fill(self.template, pick)
        if failed := broken(self.rules, plain):
            raise RuleError(failed[0].text, f"these values break the rule '{failed[0].text}'")
        return Arch(self.network, plain)

    @cached_property
    def _hole_names(self) -> list[str]:
        return [hole.name for hole in self._holes]

    def enumerate(self) -> Iterator[Arch]:
        """Every member once, in a fixed order: the grid."""
        for _, plain in fillings(self.template):
            if not broken(self.rules, plain):
                yield Arch(self.network, plain)


def _reload(conf: SpaceConf, name: str, found: dict[str, Arch], source: str, narrowed: bool) -> Space:
    return Space.load(conf, name, found.__getitem__, source=source, narrowed=narrowed)


def _fault(network: str, template: Group, rules: Sequence[Rule], arch: Arch) -> str:
    """Why `arch` is no member, or ''."""
    if arch.network != network:
        return f"network: given {arch.network!r}; allowed: {network!r}"
    plain: Plain = dict(arch.arch)
    if faults := read(template, plain).faults:
        return faults[0]
    failed = broken(rules, plain)
    return f"it breaks the rule '{failed[0].text}'" if failed else ""


def _input_size(given: list[int]) -> tuple[int, int]:
    if len(given) != 2 or min(given) < 1:
        raise ValueError(f"input_size: given {given}; allowed: [height, width] in pixels")
    return given[0], given[1]


@contextmanager
def _said_of(source: str) -> Iterator[None]:
    """Ends the message of a ValueError with the file it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error} ({source})" if source else str(error)) from None


@lru_cache(maxsize=512)
def _changes_of(space: Space, arch: Arch) -> Changes:
    """One object for each member, which keeps what was made of it."""
    return space.changes(arch)
