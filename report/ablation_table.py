"""An ablation's table as teams publish it: ablation.csv (everything), ablation.md, ablation.tex (booktabs), the console."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from report.ablation import COSTS, LATENCY, Ablation, Row
from report.certain_change import WORDS, Change
from report.figures import figure, signed
from report.latex import floating, tex

TONES = {
    "helps": "good",
    "costs nothing": "good",
    "hurts": "bad",
    "faster": "good",
    "slower": "bad",
    "cheaper": "good",
    "dearer": "bad",
}


def write_tables(found: Ablation, directory: Path) -> None:
    """The three files, anew."""
    pd.DataFrame([csv_row(row, found) for row in (found.reference, *found.shown)]).to_csv(directory / "ablation.csv", index=False)
    (directory / "ablation.md").write_text(markdown(found), encoding="utf-8")
    (directory / "ablation.tex").write_text(latex(found), encoding="utf-8")


def csv_row(row: Row, found: Ablation) -> dict[str, object]:
    """One line: for every measurement its mean, change, interval, percent and, where it is trained, the statistics."""
    line: dict[str, object] = {
        "arm": row.arm.name,
        "arch_id": row.arm.id,
        "compared_with": row.arm.compared,
        "n": paired_seeds(row, found),
    }
    line |= {
        "verdict": row.verdict,
        "told": row.told,
        "changes": "; ".join(row.arm.changes),
        "why": row.arm.why,
        "state": row.state,
    }
    for name in dict.fromkeys([*found.columns, *found.trained, *found.counted]):
        line[name] = row.means.get(name)
        line |= _columns(name, row.changes.get(name))
        line |= {f"{key}_cumulative": value for key, value in _columns(name, row.totals.get(name)).items()} if row.totals else {}
    return line


def _columns(name: str, change: Change | None) -> dict[str, object]:
    if change is None:
        return {}
    told = {"change": change.absolute, "low": change.low, "high": change.high, "percent": change.percent}
    told |= {"percent_low": change.percent_low, "percent_high": change.percent_high}
    if effect := change.effect:
        told |= {"p": effect.p, "p_holm": effect.p_holm, "hedges_g": effect.size, "own_low": None, "own_high": None}
        factor = 100 if change.unit == "points" else 1
        ends = {"own_low": effect.own_low, "own_high": effect.own_high}
        told |= {key: None if end is None else end * factor for key, end in ends.items()} | {"pooled": effect.pooled}
    return {f"{name}_{key}": value for key, value in told.items()}


def heads(found: Ablation) -> list[str]:
    """The columns of the published table."""
    changes = [heading(name, found) for name in found.columns]
    steps = ["from the start"] if found.plan.ordered and changes else []
    value = [figure(found.goal).label, *changes[:1]] if found.goal else changes[:1]
    return ["Arm", "n", *value, *steps, *(["p (Holm)"] if found.goal else []), *changes[1:], "Verdict"]


def heading(name: str, found: Ablation) -> str:
    """What a measurement's column holds: of a count its value with the change behind, else the change."""
    if name in COSTS:
        return figure(name).heading
    unit = "points" if figure(name).share else "%" if name not in found.trained else figure(name).unit
    return f"{figure(name).label} change" + (f" ({unit})" if unit else "")


def cells(row: Row, found: Ablation) -> list[str]:
    """An arm's line of the published table; of the reference its values."""
    texts = [plain(name, row, found) for name in found.columns]
    value = [figure(found.goal).text(row.means.get(found.goal)), *texts[:1]] if found.goal else texts[:1]
    total = row.totals.get(found.columns[0]) if texts else None
    steps = [bare(total) if total else ""] if found.plan.ordered and texts else []
    p_value = [p_text(row.changes.get(found.goal))] if found.goal else []
    return [row.arm.name, str(paired_seeds(row, found) or "-"), *value, *steps, *p_value, *texts[1:], verdict_text(row, found)]


def verdict_text(row: Row, found: Ablation) -> str:
    """The verdict; where no difference is shown, with the largest loss that the interval leaves open."""
    change = row.changes.get(found.goal) if found.goal else None
    if row.verdict != "no difference shown" or change is None or change.low is None:
        return "" if row.verdict == "reference" else row.verdict
    loss = max(0.0, -change.low if found.better[change.name] == "max" else change.high)
    return f"{row.verdict} (loss up to {change.number(loss).lstrip('+')} open)" if loss else row.verdict


def plain(name: str, row: Row, found: Ablation) -> str:
    """One measurement of an arm: of a count `17.58 (-36.0 %)`, else its change without the unit, which stands in the head."""
    change, value = row.changes.get(name), row.means.get(name)
    if name in COSTS:
        known = "-" if value is None else figure(name).number(value)
        return known if change is None or change.percent is None else f"{known} ({signed(change.percent, '%')})"
    if row.verdict == "reference":
        return figure(name).text(value) if name == LATENCY else ""
    return "-" if change is None else bare(change)


def bare(change: Change) -> str:
    """A change without its unit."""
    return change.text.replace(f" {change.unit}", "", 1).replace(" %", "", 1)


def paired_seeds(row: Row, found: Ablation) -> int:
    """Seeds behind the deciding difference; of the reference those it was trained under."""
    change = row.changes.get(found.goal) if found.goal else None
    return change.effect.n if change and change.effect else len(row.seeds) if row.verdict == "reference" else 0


def p_text(change: Change | None) -> str:
    p = change.effect.p_holm if change and change.effect else None
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def notes(found: Ablation) -> list[str]:
    """What has to stand under the table, whatever its form."""
    level, plan = f"{found.plan.level:.0%}".replace("%", " %"), found.plan
    told = [f"In brackets {level} intervals. Differences are taken within a seed; p is two-sided, with Holm's correction."]
    if found.goal and not any(row.changes[found.goal].low is not None for row in found.rows if found.goal in row.changes):
        told = ["No interval is possible: no arm was trained under two seeds together with what it is compared with."]
    unequal = [
        r.arm.name for r in found.rows if (c := r.changes.get(found.goal or "")) and c.low is not None and not c.effect.pooled
    ]
    if unequal and len(found.rows) > 1:
        told.append(f"With intervals of their own, as their seeds differ more than the others': {', '.join(unequal)}.")
    used = dict.fromkeys(row.verdict for row in found.rows)
    told += [
        f"{word}: {WORDS[word]}." for word in used if word in ("costs nothing", "no difference that matters", "no difference shown")
    ]
    told += [f"{row.arm.name}: {row.state}." for row in found.rows if row.state]
    told += [f"{row.arm.name}: {row.arm.why}." for row in found.rows if row.arm.why]
    told += [f"Left out, {name}: {why}." for name, why in plan.left_out]
    return told + ([f"Fraction of resolution {plan.resolution}: {'; '.join(plan.aliases)}."] if plan.aliases else [])


def markdown(found: Ablation) -> str:
    """The table in Markdown."""
    rows = [heads(found), *(cells(row, found) for row in (found.reference, *found.shown))]
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 2) + "---|")
    return "\n".join([f"# {found.plan.title}", "", *lines, "", *(f"- {note}" for note in notes(found))]) + "\n"


def latex(found: Ablation) -> str:
    """The table in LaTeX."""
    rows = [" & ".join(map(tex, cells(row, found))) + r" \\" for row in found.shown]
    head = " & ".join(map(tex, heads(found))) + r" \\"
    reference = " & ".join(map(tex, cells(found.reference, found))) + r" \\"
    columns = "l" + "r" * (len(heads(found)) - 2) + "l"
    caption = tex(". ".join([found.plan.title, *notes(found)[:1]]))
    return floating(caption, columns, [head, r"\midrule", reference, r"\midrule", *rows])


def summary(found: Ablation, *, standing: str, finished: bool, command: str) -> str:
    """The table for the console, short; what is behind it stands in ablation.md."""
    console = Console(width=max(100, shutil.get_terminal_size((120, 24)).columns), highlight=False)
    table = Table(title=found.plan.title, title_justify="left", title_style="bold", header_style="bold", box=box.SIMPLE_HEAD)
    shown = _short(heads(found), found)
    for n, head in enumerate(heads(found)):
        if n in shown:
            text = n in (0, len(heads(found)) - 1)
            table.add_column(
                head, justify="left" if text else "right", overflow="fold", no_wrap=not text, min_width=18 if text else None
            )
    for row in (found.reference, *found.shown):
        texts: Sequence[str | Text] = cells(row, found)
        style = {"good": "green", "bad": "red"}.get(TONES.get(row.verdict, ""), "")
        texts = [*texts[:-1], Text(str(texts[-1]), style=style)]
        table.add_row(*(text for n, text in enumerate(texts) if n in shown), end_section=row is found.reference)
    with console.capture() as captured:
        console.print(table)
        for note in notes(found)[:1]:
            console.print(Text(note, style="dim"))
        for name, why in found.plan.left_out:
            console.print(Text(f"Left out, {name}: {why}.", style="yellow"))
        console.print(Text(standing, style="dim" if finished else "yellow"))
        if not finished and command:
            console.print(Text(f"Continue with: {command}", style="yellow"), soft_wrap=True)
    return captured.get().rstrip()


def _short(all_heads: Sequence[str], found: Ablation) -> set[int]:
    """The columns that a console has room for: what decides, latency, MACs; p-values and means stand in the files."""
    hidden = {heading(name, found) for name in found.columns[1:] if name not in (LATENCY, "macs_g")} | {"p (Holm)"}
    hidden |= {heading("macs_g", found)} if found.plan.ordered else set()  # its place is the cumulative change's
    hidden |= {figure(found.goal).label} if found.goal else set()
    return {n for n, head in enumerate(all_heads) if head not in hidden}
