"""What a command line does not know is told with the nearest name, by every command that takes flags."""

import re
from pathlib import Path

import pytest

from report.commands import main
from search.command_line import Parser

ROOT = Path(__file__).parents[2]


def parser():
    found = Parser(prog="python -m something")
    found.add_argument("action", choices=["lint", "count"])
    found.add_argument("items", nargs="*")
    found.add_argument("--members", type=int, default=3)
    return found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lint", "--membres", "4"], "--membres: unknown flag; known: --members. Did you mean '--members'?"),
        (["lint", "--membres=4"], "--membres: unknown flag; known: --members. Did you mean '--members'?"),
        (["lnt"], "action: 'lnt'; known: lint, count. Did you mean 'lint'?"),
        (["lint", "--members", "x"], "argument --members: invalid int value: 'x' (python -m something --help)"),
        ([], "the following arguments are required: action, items (python -m something --help)"),
    ],
)
@pytest.mark.parametrize("way", ["parse_args", "parse_intermixed_args"])
def test_a_mistake_is_told_with_the_nearest_name(arguments, said, way):
    with pytest.raises(ValueError, match=f"^{re.escape(said.split(', items')[0])}"):
        getattr(parser(), way)(arguments)


def test_what_is_known_is_taken_also_abbreviated_and_after_a_double_dash():
    assert parser().parse_intermixed_args(["lint", "--mem", "5", "a=-1"]).members == 5
    assert parser().parse_args(["lint", "--", "--membres"]).items == ["--membres"]


def test_a_command_without_flags_says_so():
    with pytest.raises(ValueError, match="--two: unknown flag; this command takes none"):
        main(["--two", "results/a"])


def test_every_command_reads_its_flags_this_way():
    files = [file for part in ("blocks", "space", "evaluators", "search", "report") for file in (ROOT / part).rglob("*.py")]
    plain = [file.relative_to(ROOT) for file in files if "argparse.ArgumentParser(" in file.read_text()]
    assert plain == []
