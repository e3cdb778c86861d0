"""Search spaces: architectures with holes (template, rules, size), one architecture (Arch), and the networks they describe."""

from space.arch import Arch, build, build_measured
from space.change import Change, Changes
from space.lint import LintReport, lint
from space.members import Space, SpaceConf
from space.networks import NETWORKS
from space.rules import RuleError
from space.size import Size
from space.template import Hole

__all__ = [
    "NETWORKS",
    "Arch",
    "Change",
    "Changes",
    "Hole",
    "LintReport",
    "RuleError",
    "Size",
    "Space",
    "SpaceConf",
    "build",
    "build_measured",
    "lint",
]
