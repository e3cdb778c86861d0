"""Look at runs again, without training: `python -m report results/<space>/<run>` writes and prints a run's report.

python -m report serve [results/...]                  a live page over one run or many
python -m report compare results/a results/b ...      front against front
python -m report optuna results/... --to study.db     a study that optuna-dashboard opens
python -m report table results/... --to mine          its trainings, to replay strategies on
python -m report export results/... --trial knee --to onnx   one network as files to ship
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import report
from evaluators.tables.recorded_space import restore_network
from registry import import_plugins, nearest
from search.command_line import Parser


def main(arguments: list[str]) -> None:
    """Run the command that the first argument names; without one, rewrite and print the report of each run directory."""
    if arguments and arguments[0] in COMMANDS and not Path(arguments[0]).is_dir():
        return COMMANDS[arguments[0]](arguments[1:])
    parser = Parser(prog="python -m report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="+", type=Path, help="a run directory, results/<space>/<run>")
    for run_dir in parser.parse_args(arguments).run:
        if run_dir.name == str(run_dir) and not run_dir.exists():
            raise ValueError(f"{run_dir}: no such folder, and no command; {nearest(run_dir.name, list(COMMANDS))}")
        know(run_dir)
        page = report.write(run_dir)
        print(f"{report.summary(run_dir)}\nReport: {page}")


def serve(arguments: list[str]) -> None:
    """Serve a live page over runs, until it is stopped."""
    from report.dashboard.server import serve

    parser = Parser(prog="python -m report serve", description=serve.__doc__)
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[Path("results")], help="run directories, or folders above some (default: results)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine only)")
    parser.add_argument("--port", type=int, default=8050, help="0 is any free one (default: 8050)")
    given = parser.parse_args(arguments)
    serve(given.runs, host=given.host, port=given.port)


def compare(arguments: list[str]) -> None:
    """Print how the fronts of runs stand against each other, and write compare.html and compare.png."""
    from report.compare import contest
    from report.compare_page import contest_text, write_compare_html, write_compare_png
    from report.dashboard.watch import run_dirs

    parser = Parser(prog="python -m report compare", description=compare.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, or folders above some: a multirun's")
    parser.add_argument("--to", type=Path, default=Path(), help="the folder for both files (default: here)")
    given = parser.parse_args(arguments)
    found = contest(_loaded([run for path in given.runs for run in run_dirs(path)]))
    given.to.mkdir(parents=True, exist_ok=True)
    print(contest_text(found))
    write_compare_png(found, given.to / "compare.png")
    print(f"Written: {write_compare_html(found, given.to / 'compare.html')}, {given.to / 'compare.png'}")


def optuna(arguments: list[str]) -> None:
    """Write runs as Optuna studies, one each, into an SQLite file (.db) or a journal (.journal)."""
    from report.dashboard.watch import run_dirs
    from report.optuna_study import write_study

    parser = Parser(prog="python -m report optuna", description=optuna.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories, or folders above some")
    parser.add_argument("--to", type=Path, required=True, help="study.db (SQLite) or study.journal")
    given = parser.parse_args(arguments)
    for run in _loaded([run for path in given.runs for run in run_dirs(path)]):
        name, trials = write_study(run, given.to)
        print(f"{name}: {trials} trials")
    print(f"Written: {given.to}. Look at it: optuna-dashboard {'sqlite:///' * (given.to.suffix != '.journal')}{given.to}")


def table(arguments: list[str]) -> None:
    """Write the trainings of runs as a recorded table with its mapping: any strategy can be replayed on it in seconds."""
    from report.dashboard.watch import run_dirs
    from report.recorded_table import recorded, replay_command, write_table

    parser = Parser(prog="python -m report table", description=table.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories of one space and schedule, or folders above some")
    parser.add_argument("--to", type=Path, default=Path(), help="folder for <name>.csv.gz and table/<name>.yaml (default: here)")
    parser.add_argument("--name", default="mine", help="what the table is called (default: mine)")
    given = parser.parse_args(arguments)
    if not given.name.isidentifier():
        raise ValueError(f"--name: '{given.name}' given; allowed: letters, digits and underscores, not a digit first")
    runs = _loaded([run for path in given.runs for run in run_dirs(path)])
    found = recorded(runs)
    file, mapping = write_table(found, given.to, given.name)
    stopped = f"; {found.left_out} that stopped at an earlier rung are not in it" if found.left_out else ""
    print(f"{len(found.rows)} trainings that differ in {len(found.mapping['choices'])} choices{stopped}")
    print(f"Written: {file}, {mapping}\nReplay: {replay_command(found, runs[0], given.to, given.name)}")


def export(arguments: list[str]) -> None:
    """Write one network of a run as files to ship: report/export/command.py."""
    from report.export.command import export, wanted

    wish = wanted(arguments)
    know(wish.run_dir)
    refused = export(wish).refused
    if refused:
        reasons = {why: ",".join(name for name in refused if refused[name] == why) for why in refused.values()}
        raise ValueError("\n".join(f"--to {names}: {why}" for why, names in reasons.items()))


COMMANDS = {"serve": serve, "compare": compare, "optuna": optuna, "table": table, "export": export}


def _loaded(run_dirs: Sequence[Path]) -> list[Any]:
    """The runs, each once, with what their networks come from."""
    from report.run import load

    runs = []
    for run_dir in dict.fromkeys(path.resolve() for path in run_dirs):
        know(run_dir)
        runs.append(load(run_dir))
    return runs


def know(run_dir: Path) -> None:
    """Import a run's plug-ins, as its networks may be theirs."""
    conf = read_conf(run_dir / "config.yaml")
    import_plugins(conf.get("plugins") or [])
    restore_network(conf)


def read_conf(conf: Path) -> dict[str, Any]:
    """What a run was made with."""
    content = yaml.safe_load(conf.read_text()) if conf.is_file() else None
    return content or {}
