"""The space's own command: `python -m space lint segformer [overrides]` says how large a space is and whether all of it works."""

import sys
from pathlib import Path

from rich.progress import Progress

from config import compose, load_space, typed, user_errors
from evaluators.cost import measure_cost
from search.command_line import Parser
from space import Arch, lint


@user_errors
def main() -> None:
    """Parse the command line, lint, print; exit 1 where a member is broken or a choice is dead."""
    parser = Parser(prog="python -m space", description="Look at a search space without training anything.")
    parser.add_argument("action", choices=["lint"], help="build the baseline, each one-step change and a sample; print size, cost")
    parser.add_argument("space", help="a file of conf/space, without .yaml")
    parser.add_argument("overrides", nargs="*", help="as for run_search.py: space.arch.stage1.mixer=pool, plugins=[mine]")
    parser.add_argument("--config-dir", type=Path, help="a project's own conf folder")
    arguments = parser.parse_intermixed_args()
    overrides = [f"+space={arguments.space}", *arguments.overrides]
    with compose(overrides, config_dir=arguments.config_dir) as conf:
        space, classes = load_space(conf, arguments.space, overrides), typed(conf.data).classes

    def macs(arch: Arch) -> float:
        return measure_cost(arch, input_size=space.input_size, classes=classes, names=["macs_g"])["macs_g"]

    with Progress(transient=True) as progress:
        task = progress.add_task(f"building members of {space.name}", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        report = lint(space, classes=classes, macs=macs, progress=show)
    print(report.text())
    sys.exit(0 if report.healthy else 1)


if __name__ == "__main__":
    main()
