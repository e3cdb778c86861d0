"""An architecture as a drawing: a row for each stage, a box for each block; what differs from the baseline stands out, with what
the baseline has there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dash import html

from report.changes import value_text

COUNTS = ("depth", "layers", "count")
"""Numbers that say how often a stage's blocks follow each other: drawn, not only written."""
MOST = 12
"""Blocks drawn one by one at most."""


@dataclass(frozen=True)
class Box:
    """A part of a stage. `before`: what the baseline has there; None where it is the same, '' where it has nothing."""

    label: str
    text: str
    detail: str = ""
    before: str | None = None
    gone: bool = False
    """Whether the baseline has it and this architecture does not."""


@dataclass(frozen=True)
class Row:
    """A stage: its dotted place, how often its blocks repeat, in the baseline too, and its parts."""

    name: str
    boxes: tuple[Box, ...]
    repeats: int = 1
    repeated_before: int | None = None
    level: int = field(default=0, compare=False)


def rows(arch: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> list[Row]:
    """The drawing as data. Without a baseline (another network's) nothing is marked."""
    return list(_rows("", arch, baseline, 0))


def _rows(place: str, arch: Mapping[str, Any], baseline: Mapping[str, Any] | None, level: int) -> Iterator[Row]:
    known = baseline is not None
    base = baseline or {}
    keys = [*arch, *(key for key in base if key not in arch)]
    inner = [key for key in keys if _is_stage(arch.get(key, base.get(key)))]
    boxes = tuple(_box(key, arch, base, known) for key in keys if key not in inner and not _drawn(key, arch, base))
    count = next((key for key in COUNTS if _drawn(key, arch, base)), None)
    if boxes or count:
        before = base.get(count) if count and known and base.get(count) != arch.get(count) else None
        repeats = arch[count] if count else 1
        yield Row(place or "network", boxes, repeats, before, level)
    for key in inner:
        name = f"{place}.{key}".lstrip(".")
        if key not in arch:
            yield Row(name, (Box("", "none", before="a stage", gone=True),), level=level)
        else:
            lower = base.get(key) if known else None
            yield from _rows(name, arch[key], (lower if isinstance(lower, Mapping) else {}) if known else None, level + 1)


def _is_stage(value: Any) -> bool:
    return isinstance(value, Mapping) and "name" not in value


def _drawn(key: str, arch: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    count = arch.get(key)
    return key in COUNTS and isinstance(count, int) and isinstance(base.get(key, count), int)


def _box(key: str, arch: Mapping[str, Any], base: Mapping[str, Any], known: bool) -> Box:
    if key not in arch:
        return Box(key, "none", before=value_text(base[key]), gone=True)
    value = arch[key]
    differs = known and value != base.get(key)
    before = _before(value, base[key]) if differs and key in base else "" if differs else None
    if isinstance(value, Mapping):
        detail = ", ".join(f"{name} {value_text(inner)}" for name, inner in value.items() if name != "name")
        return Box(key, str(value["name"]), detail, before)
    return Box(key, str(value), before=before)


def _before(value: Any, base: Any) -> str:
    """The baseline's value; of the same option only the arguments that differ."""
    if not (isinstance(value, Mapping) and isinstance(base, Mapping) and value["name"] == base.get("name")):
        return value_text(base)
    arguments = {key: inner for key, inner in base.items() if inner != value.get(key)}
    return ", ".join(f"{key} {value_text(inner)}" for key, inner in arguments.items())


def drawing(arch: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> html.Div:
    """The rows as a page shows them."""
    return html.Div([_row(row) for row in rows(arch, baseline)], className="arch")


def _row(row: Row) -> html.Div:
    inside = [_repeats(row)] if row.repeats != 1 or row.repeated_before is not None else []
    inside += [_drawn_box(box) for box in row.boxes]
    return html.Div([html.Div(row.name, className="stage-name"), html.Div(inside, className="boxes")], className="stage")


def _repeats(row: Row) -> html.Div:
    changed = row.repeated_before is not None
    blocks = [html.I() for _ in range(min(row.repeats, MOST))]
    told: list[Any] = [html.Div(blocks, className="stack"), html.Div(f"{row.repeats} x", className="option")]
    told += [html.Div(f"was {row.repeated_before} x", className="before")] if changed else []
    return html.Div(told, className="box count" + " changed" * changed)


def _drawn_box(box: Box) -> html.Div:
    told: list[Any] = [html.Div(box.label, className="slot"), html.Div(box.text, className="option")]
    told += [html.Div(box.detail, className="detail")] if box.detail else []
    if box.before is not None:
        told.append(html.Div(f"was {box.before}" if box.before else "new", className="before"))
    look = " changed" * (box.before is not None) + " gone" * box.gone
    return html.Div(told, className="box" + look)
