"""`python -m report export`: one network of a run in the formats that it ships in, checked, measured again, with a model card."""

import importlib.util
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from report.export import measured
from report.export.card import write_card
from report.export.formats import EXPORTS, Exported, Format
from report.export.measured import Column
from report.export.member import KNEE, NAMED, Chosen, Member, NoWeights, check_size, chosen, folded, loaded
from report.export.rebuilt import Parts, parts
from report.front import compare
from report.retrain import to_train
from report.run import Run, load
from search.command_line import Parser

EPILOG = f"""The knee is {" ".join(KNEE.split())}. `best` is the front's best by the first objective."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for."""

    run_dir: Path
    trial: str = "best"
    formats: tuple[str, ...] = ("arch",)
    folder: Path | None = None
    fold: bool = False
    weights: str = "trained"
    size: tuple[int, int] | None = None
    classes: int | None = None
    measure: bool = True
    images: int | None = None
    command: str = ""


@dataclass
class Shipment:
    """What came of it. `refused`: formats that do not hold the network, and why. `columns`: claimed and shipped."""

    folder: Path
    exported: dict[str, Exported] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cards: list[Path] = field(default_factory=list)


def wanted(arguments: list[str]) -> Wanted:
    """The command line, read."""
    names = ",".join(EXPORTS)
    parser = Parser(
        prog="python -m report export", description="Write one network of a run as files to ship, with a model card.", epilog=EPILOG
    )
    parser.add_argument("run", type=Path, help="a run directory, results/<space>/<run>")
    parser.add_argument("--trial", default="best", help=f"{', '.join(NAMED)} or a trial's number (default: best)")
    parser.add_argument("--to", default="arch", help=f"formats with commas between: {names} (default: arch)")
    parser.add_argument("--out", type=Path, help="the folder (default: export/trial_<n> in the run directory)")
    parser.add_argument("--fold", action="store_true", help="reparametrise: fewer operations, the same outputs, verified")
    parser.add_argument("--weights", default="trained", help="trained (the trial's checkpoint), none, or a checkpoint's file")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="of the images (default: as the run deploys)")
    parser.add_argument("--classes", type=int, help="of an untrained network, where the run's data are not here to tell")
    parser.add_argument("--no-measure", action="store_true", help="do not score and time what was written")
    parser.add_argument("--images", type=int, help="score on the first so many validation images only (default: all)")
    given = parser.parse_args(arguments)
    return Wanted(
        given.run,
        given.trial,
        tuple(dict.fromkeys(name.strip() for name in given.to.split(",") if name.strip())),
        given.out,
        given.fold,
        given.weights,
        tuple(given.size) if given.size else None,
        given.classes,
        not given.no_measure,
        given.images,
        shlex.join(["python", "-m", "report", "export", *arguments]),
    )


def export(wish: Wanted, console: Console | None = None) -> Shipment:
    """Write the network, measure what was written, write the card. ValueError for what cannot be done at all; one format that
    does not hold the network is in `refused`, the others are written."""
    console = console or Console()
    formats = checked(wish)
    run = load(wish.run_dir)
    found = chosen(run, compare(run), wish.trial)
    done = Shipment(wish.folder or run.directory / "export" / f"trial_{found.trial.number}")
    with showing(console) as step:
        known = known_parts(run, done.notes)
        member = None
        if any(form.weights for form in formats.values()):
            step("weights")
            member = ready(wish, found, known, done)
        done.folder.mkdir(parents=True, exist_ok=True)
        for name, form in formats.items():
            step(f"{name}: writing and checking")
            write(name, form(), found, member, done)
        done.columns.append(measured.claimed(found))
        if wish.measure and member is not None and known is not None:
            done.columns += measure(wish, member, known, done, step)
    metrics = dict(known.task.metrics) if known else {goal.name: goal.direction for goal in run.goals}
    done.cards = write_card(
        found,
        member,
        done.exported,
        done.columns,
        folder=done.folder,
        refused=done.refused,
        notes=done.notes,
        metrics=metrics,
        command=wish.command,
    )
    tell(console, done, metrics)
    return done


def checked(wish: Wanted) -> Mapping[str, type[Format]]:
    """The formats, by name; ValueError before any work where one is unknown or not installed."""
    if not wish.formats:
        raise ValueError(f"--to: nothing was named; known: {', '.join(EXPORTS)}.")
    formats = {}
    for name in wish.formats:
        try:
            formats[name] = EXPORTS[name]
        except ValueError as error:
            raise ValueError(f"--to: {error}") from None
        if lacking := [package for package in formats[name].packages if importlib.util.find_spec(package) is None]:
            extra = f"'paredown[{formats[name].extra}]'" if formats[name].extra else " ".join(lacking)
            raise ValueError(f"--to {name}: {', '.join(lacking)} not installed; pip install {extra}")
    if wish.size and min(wish.size) < 1:
        raise ValueError(f"--size: {wish.size[0]} x {wish.size[1]}; expected two numbers of pixels, height and width, 1 or more")
    if wish.folder and wish.folder.exists() and not wish.folder.is_dir():
        raise ValueError(f"--out: {wish.folder} is a file; expected a folder, there already or not")
    if wish.images is not None and wish.images < 1:
        raise ValueError(f"--images: {wish.images}; expected 1 or more")
    if wish.fold and not any(form.weights for form in formats.values()):
        raise ValueError("--fold: the formats named hold no weights; add one that does, --to arch,onnx")
    return formats


def ready(wish: Wanted, found: Chosen, known: Parts | None, done: Shipment) -> Member | None:
    """The network with its weights, folded where that was asked for. Where there are no weights, every format that needs some is
    refused, with the command that would train it."""
    size = wish.size or tuple(found.run.conf.get("space", {}).get("input_size") or ())
    if len(size) != 2:
        raise ValueError(f"{found.run.name}: its config.yaml names no input size; give --size H W")
    names = class_names(known)
    try:
        member = loaded(found, source=wish.weights, input_size=size, classes=wish.classes or len(names) or None)
    except NoWeights as error:
        command = to_train(found.run, done.folder / "arch.yaml")
        why = f"{error}. To train it: {command}. Untrained: --weights none"
        done.refused |= {name: why for name in wish.formats if EXPORTS[name].weights}
        return None
    if wish.size:
        check_size(member)
    if len(names) == member.classes:
        member = replace(member, class_names=names)
    return folded(member) if wish.fold else member


def class_names(known: Parts | None) -> tuple[str, ...]:
    """The classes of the run's data; none where those are not here to tell."""
    try:
        return tuple(known.data.class_names) if known else ()
    except (ValueError, OSError):
        return ()


def write(name: str, form: Format, found: Chosen, member: Member | None, done: Shipment) -> None:
    """One format, into `exported` or `refused`."""
    if form.weights and member is None:
        return
    try:
        done.exported[name] = form.write(found, member, done.folder)
    except ValueError as error:
        done.refused[name] = str(error)


def measure(wish: Wanted, member: Member, known: Parts, done: Shipment, step: Any) -> list[Column]:
    """The columns of what was shipped; what could not be measured is a note."""
    try:
        return measured.shipped(member, known, done.exported, images=wish.images, done=step, notes=done.notes)
    except (ValueError, torch.OutOfMemoryError) as error:
        done.notes.append(f"Not measured again: {error}")
        return []


def known_parts(run: Run, notes: list[str]) -> Parts | None:
    try:
        return parts(run.conf)
    except ValueError as error:
        notes.append(f"Not measured again: {error}")
        return None


@contextmanager
def showing(console: Console) -> Iterator[Any]:
    """What is being done, while it is: step(what), or step(what, image, of how many)."""
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda what, at=0, of=None: progress.update(task, description=what, completed=at, total=of)


def tell(console: Console, done: Shipment, metrics: Mapping[str, str]) -> None:
    """The table of claimed and shipped, the files, and what was refused."""
    table = Table("", *(column.name for column in done.columns))
    for label, values in measured.rows(done.columns, metrics):
        table.add_row(label, *values)
    console.print(table)
    for line in [*(f"{column.name}: {column.how}" for column in done.columns if column.how), *done.notes]:
        console.print(line, highlight=False, markup=False)
    for name, form in done.exported.items():
        worst = f"  (outputs within {max(form.apart.values()):.1g} of the network's)" if form.apart else ""
        for file in form.files:
            console.print(f"{name}: {file}{worst}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Card: {done.cards[0]}", highlight=False, markup=False, soft_wrap=True)
