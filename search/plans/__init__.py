"""Which networks an ablation compares. A plan is a file here: a pure function of the space, of one or two architectures and of what
was asked for, that names the arms, what each changes and what it is compared with. Nothing is trained to make one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from registry import Registry, import_siblings
from space import Arch, Space

BEST = "best"
"""`order` of a ladder whose steps are searched."""


@dataclass(frozen=True)
class Named:
    """An architecture and what people call it."""

    name: str
    arch: Arch


@dataclass(frozen=True)
class Arm:
    """One network of the table. `changes` are all places that it changes of what it was made from, `name` the short of it; `why`
    says what moves together where that is more than one change. `compared` is the id of the network that its effect is taken
    against; `levels` are those of every factor, in a factorial."""

    name: str
    arch: Arch
    changes: tuple[str, ...]
    compared: str
    why: str = ""
    levels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """An arm that is not trained: it cannot be built, or it is another arm's network."""

    name: str
    why: str


@dataclass(frozen=True)
class Factor:
    """A choice that a factorial varies; its first level is the reference's."""

    name: str
    levels: tuple[Any, ...]


@dataclass(frozen=True)
class Plan:
    """The table's rows in their order, without the reference's own. `candidates` are trained to choose the next step of a ladder
    whose order is searched; they become no rows."""

    title: str
    reference: Named
    arms: tuple[Arm, ...]
    against: Named | None = None
    left_out: tuple[LeftOut, ...] = ()
    candidates: tuple[Arm, ...] = ()
    factors: tuple[Factor, ...] = ()
    aliases: tuple[str, ...] = ()
    levels: Mapping[str, Any] = field(default_factory=dict)  # the reference's own, in a factorial


@dataclass(frozen=True)
class Request:
    """What a plan is made from. `start` is the reference, `against` the other end where there is one.

    `choices` and `order` are patterns; `alike`: the same change in several numbered blocks is one change. `scores` has, for every
    network whose trainings have ended, the mean of the first objective, to be made small (None: none of them succeeded).
    """

    space: Space
    start: Named
    against: Named | None = None
    choices: tuple[str, ...] = ()
    order: tuple[str, ...] | str = ()
    resolution: str = "full"
    alike: bool = True
    scores: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Planner:
    """How one kind of plan is made. `two_ended`: from `reference` to `against`; `uses` are the further options that it heeds."""

    make: Callable[[Request], Plan]
    two_ended: bool
    uses: tuple[str, ...]


PLANS: Registry[Planner] = Registry("plan")
OPTIONAL = {"choices": (), "order": (), "resolution": "full"}
"""Options that not every plan heeds, and their values where they say nothing."""


def made(kind: str, request: Request) -> Plan:
    """The plan, every network in it once. ValueError where what was asked for makes none."""
    planner = PLANS[kind]
    _check(kind, planner, request)
    plan = _distinct(planner.make(request))
    if not plan.arms and not plan.candidates and not request.scores:
        reasons = "".join(f"\n  {each.name}: {each.why}" for each in plan.left_out)
        nothing = f"search.plan={kind}: there is nothing to compare with {plan.reference.name}"
        raise ValueError(nothing + (f":{reasons}" if reasons else ""))
    return plan


def _check(kind: str, planner: Planner, request: Request) -> None:
    heeding = {name: [each for each in PLANS if name in PLANS[each].uses] for name in OPTIONAL}
    for name, unsaid in OPTIONAL.items():
        if name not in planner.uses and getattr(request, name) != unsaid:
            given = getattr(request, name)
            shown = given if isinstance(given, str) else f"[{', '.join(given)}]"
            raise ValueError(f"search.{name}: {shown} given; plan {kind} has no use for it, only {', '.join(heeding[name])}")
    if planner.two_ended and request.against is None:
        example = "search.against=boostformer"
        raise ValueError(f"search.against: not given; plan {kind} goes from search.reference to another architecture: {example}")
    if not planner.two_ended and request.against is not None:
        others = ", ".join(each for each in PLANS if PLANS[each].two_ended)
        given = f"search.against: {request.against.name} given"
        raise ValueError(f"{given}; plan {kind} starts from search.reference alone, it is for {others}")
    if request.against is not None and request.against.arch == request.start.arch:
        one, other = request.start.name, request.against.name
        raise ValueError(f"search.reference {one} and search.against {other} are the same network: there is nothing to compare")


def _distinct(plan: Plan) -> Plan:
    """Each network once: an arm that is the reference or an arm before it is told, not trained again."""
    seen = {plan.reference.arch.id: plan.reference.name}
    kept, left_out = [], list(plan.left_out)
    for arm in plan.arms:
        if arm.arch.id in seen:
            left_out.append(LeftOut(arm.name, f"the same network as {seen[arm.arch.id]}"))
            continue
        seen[arm.arch.id] = arm.name
        kept.append(arm)
    return replace(plan, arms=tuple(kept), left_out=tuple(left_out))


def requested(**options: Any) -> Request:
    """A request of options as a configuration gives them: lists become tuples."""
    known = {each.name for each in fields(Request)}
    return Request(**{key: tuple(value) if isinstance(value, list) else value for key, value in options.items() if key in known})


import_siblings(__name__)
