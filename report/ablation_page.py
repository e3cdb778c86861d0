"""An ablation's part of the report: writes its files and says what stands on the page."""

import base64
from pathlib import Path
from typing import Any

from report.ablation import Ablation, Row, ablation_of
from report.ablation_picture import write_pictures
from report.ablation_table import TONES, cells, heads, notes, write_tables
from report.certain_change import WORDS
from report.factorial import Factorial, Term, draw, factorial_of
from report.figures import figure
from report.run import Run


def write_ablation(run: Run) -> dict[str, Any] | None:
    """Write ablation.csv, .md, .tex, .png and, of a factorial, interactions.png; returns what ablation.jinja shows."""
    found = ablation_of(run)
    if found is None:
        return None
    write_tables(found, run.directory)
    pictures = [_embedded(write_pictures(found, run.directory))]
    factorial = factorial_of(found, run)
    if factorial is not None:
        path = run.directory / "interactions.png"
        draw(factorial, path, label=figure(found.goal).label if found.goal else "")
        pictures.append(_embedded(path))
        with (run.directory / "ablation.md").open("a", encoding="utf-8") as file:
            file.write(_terms_markdown(factorial))
    used = dict.fromkeys(row.verdict for row in found.rows)
    return {
        "plan": found.plan,
        "heads": heads(found),
        "reference": cells(found.reference, found),
        "rows": [_line(row, found) for row in found.shown],
        "notes": notes(found)[:1],
        "words": {word: WORDS[word] for word in used},
        "pictures": pictures,
        "factorial": factorial,
        "terms": [term_cells(term, factorial.unit) for term in factorial.terms] if factorial else [],
    }


def term_cells(term: Term, unit: str) -> dict[str, str]:
    """A term's line of the table of effects."""
    told = (
        f"{term.effect:+.2f}" + (f" [{term.low:+.2f}, {term.high:+.2f}]" if term.low is not None else "")
        if term.effect is not None
        else ""
    )
    if term.effect is not None and len(term.factors) == 1:
        told += f" ({term.levels[0].name} -> {term.levels[1].name})"
    elif term.levels:
        told = "; ".join(
            f"{v.name} {v.effect:+.2f}" + (f" [{v.low:+.2f}, {v.high:+.2f}]" if v.low is not None else "") for v in term.levels
        )
    told = told or ("by level pairs, see the picture" if term.estimable else "not to be told apart")
    return {
        "name": term.name,
        "told": told,
        "f": "" if term.f is None else f"{term.f:.1f}",
        "p": "" if term.p is None else f"{term.p:.3f}" if term.p >= 0.001 else "< 0.001",
        "p_holm": "" if term.p_holm is None else f"{term.p_holm:.3f}" if term.p_holm >= 0.001 else "< 0.001",
        "aliases": ", ".join(term.aliases),
    }


def _terms_markdown(factorial: Factorial) -> str:
    rows = [list(term_cells(term, factorial.unit).values()) for term in factorial.terms]
    head = ["Term", f"Effect ({factorial.unit})" if factorial.unit else "Effect", "F", "p", "p (Holm)", "Aliased with"]
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    missing = f"\n- {factorial.missing} trainings of the design are missing.\n" if factorial.missing else ""
    return "\n".join(["", "## Effects of the factors", "", *lines, missing])


def _line(row: Row, found: Ablation) -> dict[str, Any]:
    moved = row.arm.changes if len(row.arm.changes) > 1 else ()
    return {
        "cells": [text.replace(" [", "\n[").replace(" (", "\n(").split("\n") for text in cells(row, found)[1:-1]],
        "name": row.arm.name,
        "moved": moved,
        "why": row.arm.why,
        "verdict": row.verdict,
        "tone": TONES.get(row.verdict, "plain"),
        "told": row.told,
        "state": row.state,
    }


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
