"""Whose weights a candidate begins with, when it inherits from the run itself."""

from collections.abc import Mapping
from typing import Any

from search.kept_conf import leaves
from search.records import Proposal, Records
from space import Arch


def nearest_trained(records: Records, proposal: Proposal) -> int | None:
    """The trial whose architecture has the fewest places unlike the proposed one, of those trained to an end under the same seed
    (trainings under different seeds stay independent); of equals the newest, which has inherited most itself. None: none is."""
    kin = [r for r in records if r.ok and r.proposal.seed == proposal.seed and r.proposal.arch != proposal.arch]
    trained = [r for r in kin if r.proposal.rung > 0]
    wanted = dict(leaves(proposal.arch.arch))
    return min(trained, key=lambda r: (unlike(wanted, r.proposal.arch), -r.number)).trial if trained else None


def unlike(wanted: Mapping[str, Any], arch: Arch) -> int:
    """How many places differ, those that only one of the two has included."""
    given = dict(leaves(arch.arch))
    return sum(wanted.get(name) != given.get(name) for name in wanted.keys() | given.keys())
