"""The latency command: `python -m evaluators.latency table +space=segformer latency=onnxruntime` measures a latency table for
this device, fits a predictor to it and says how far that is off."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from config import compose, load_space, typed, user_errors
from evaluators.latency._measuring import Measuring
from evaluators.latency._members import Member, members
from evaluators.latency._paired import sized
from evaluators.latency._predictor import LEAST, MODELS, UNSURE, Predictor
from evaluators.latency.predicted import Predicted, digest, stated_beside
from search.command_line import Parser, space_named

MEMBERS = 60


@user_errors
def main() -> None:
    """Parse the command line, measure what is missing, fit, print."""
    parser = Parser(prog="python -m evaluators.latency", description="A latency table for this device.")
    parser.add_argument("action", choices=["table"], help="measure members of a space beside its baseline; fit a predictor")
    parser.add_argument("overrides", nargs="*", help="as for run_search.py: +space=segformer latency=onnxruntime latency.threads=4")
    about = f"members to measure (default {MEMBERS}: about ten minutes at latency.max_s=8, exports beside); a later, larger number"
    parser.add_argument("--members", type=int, default=MEMBERS, help=f"{about} extends the table; {LEAST} or more")
    parser.add_argument("--out", type=Path, help="the file; default: results/latency/<space, backend, device>.csv. Goes on with it")
    parser.add_argument("--seed", type=int, default=0, help="of the random members")
    parser.add_argument("--config-dir", type=Path, help="a project's own conf folder")
    given = parser.parse_intermixed_args()
    if given.members < LEAST:
        raise ValueError(f"--members: {given.members} given; allowed: {LEAST} or more, as a predictor is fitted to them")
    with compose(given.overrides, config_dir=given.config_dir) as conf:
        measuring = described(conf, given)
    console = Console()
    wanted = members(measuring.space, given.members, given.seed)
    announce(console, measuring, wanted)

    def told(done: int, member: Member, found: Any, why: str) -> None:
        console.print(line(done, len(wanted), member, found, why), markup=False, highlight=False, soft_wrap=True)

    table = measuring.run(wanted, told)
    stated = {**Predictor(table).error(), "table": digest(table.path)}
    stated_beside(table.path).write_text(json.dumps(stated, indent=1) + "\n")
    console.print(summary(stated, table.path, len(table.members), len(wanted)), markup=False, highlight=False, soft_wrap=True)


def described(conf: DictConfig, given: argparse.Namespace) -> Measuring:
    """What the command line asks for, checked."""
    space, backend = load_space(conf, space_named(given.overrides), given.overrides), typed(conf.latency)
    if isinstance(backend, Predicted) or backend.also:
        was = "predicted" if isinstance(backend, Predicted) else "several backends"
        raise ValueError(f"latency: {was} given; allowed: one that measures, as in latency=onnxruntime. A table is of one backend")
    backend.check_here()
    path = given.out or Path(conf.results) / "latency" / f"{file_name(space.name, backend, space.input_size)}.csv"
    return Measuring(space, backend, typed(conf.data).classes, path.resolve())


def file_name(space: str, backend: Any, input_size: tuple[int, int]) -> str:
    """Readable, and another one wherever the key is another one."""
    facts = backend.facts()
    batch = f"batch{backend.batch_size}" if backend.batch_size > 1 else ""
    usual = type(backend)().options
    options = [str(value) for name, value in backend.options.items() if value != usual[name]]
    parts = [space, backend.backend, *options, backend.precision, f"{backend.resolved_threads}threads"]
    return re.sub(r"[^A-Za-z0-9]+", "-", "_".join(filter(None, [*parts, batch, sized(input_size), str(facts["latency_device"])])))


def announce(console: Console, measuring: Measuring, wanted: list[Member]) -> None:
    had = {row["arch_id"] for row in measuring.known().rows}
    left = sum(member.arch.id not in had for member in wanted)
    minutes = left * measuring.backend.max_s / 60
    before = f", {len(wanted) - left} of them measured already" if left < len(wanted) else ""
    about = f"up to {minutes:.0f} minutes and what exports and compilation take" if left else "nothing left to measure"
    console.print(f"{len(wanted)} members of {measuring.space.name}{before}: {about}", highlight=False)
    console.print(f"{measuring.path}\n", highlight=False, soft_wrap=True)


def line(done: int, total: int, member: Member, found: Any, why: str) -> str:
    """One member, as it is known."""
    who = f"{done:>3}/{total} {member.arch.id[:8]} {member.kind:8}"
    if why:
        return f"{who}  not measured: {why}"
    low, high = (100 * (found[f"latency_ratio_{end}"] / found["latency_ratio"] - 1) for end in ("low", "high"))
    marks = "  disturbed" if found["latency_disturbed"] else ""
    times = f"{found['latency_ratio']:.3f} of the baseline ({low:+.1f} to {high:+.1f} %)  {found['latency_ms']:.1f} ms"
    return f"{who}  {times}{marks}  {member.note}"


def summary(stated: dict[str, Any], path: Path, measured: int, wanted: int) -> str:
    """What the predictor is worth, and how it is used."""
    failed = f"; {wanted - measured} could not be run, their rows say why" if measured < wanted else ""
    middle, most = stated["median_error_percent"], stated["error_90_percent"]
    inside, width = stated["inside_percent"], stated["median_width_percent"]
    held = stated["held_out"]
    return (
        f"\n{measured} members measured{failed}. Predictor: {stated['model']}, chosen from {', '.join(MODELS)}.\n"
        f"On {held} members that took no part in fit or choice: median error {middle} %, 90 % of errors below {most} %; "
        f"Spearman {stated['spearman']}, Kendall {stated['kendall']}.\n"
        f"Its 90 % intervals held {inside} % of them; half are narrower than {width} %, end to end. "
        f"latency.unsure={UNSURE:g} would rely on {stated['sure_percent']} % of them and measure the others.\n"
        f"Use it: python run_search.py +space=... latency=predicted latency.table={path}"
    )


if __name__ == "__main__":
    main()
