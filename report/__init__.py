"""Records to results: front.csv, front.png, front.tex, report.md, report.html and the winners' files, all from config.yaml and
trials.jsonl alone; of an ablation (plan.yaml) its table, ablation.csv, .md and .tex, and its pictures too."""

from pathlib import Path

from report.ablation import ablation_of
from report.ablation_page import write_ablation
from report.ablation_table import summary as ablation_summary
from report.drawn import drawn
from report.export import write_arches, write_csv
from report.follow import followed
from report.front import compare as compared  # report.compare is the module that compares runs
from report.html import write_html
from report.names import arch_names
from report.paper import write_markdown, write_tex
from report.picture import write_png
from report.run import load
from report.table import standing, summary_text
from report.view import View

__all__ = ["summary", "write"]


def write(run_dir: Path | str) -> Path:
    """Write (again) everything that a run directory shows; nothing is trained. Returns the path of report.html."""
    run = load(run_dir)
    comparison, names = compared(run), arch_names(run.conf)
    write_arches(comparison, run.directory / "arches")
    write_csv(comparison, run.directory / "front.csv")
    write_png(comparison, run.directory / "front.png", title=run.name, names=names)
    write_tex(comparison, run.directory / "front.tex", title=run.name, names=names)
    write_markdown(run, comparison, run.directory / "report.md", names=names)
    ablation = write_ablation(run)
    pictures = drawn(View(run.name, followed(run.directory)))
    return write_html(run, comparison, run.directory / "report.html", names=names, ablation=ablation, drawn=pictures)


def summary(run_dir: Path | str) -> str:
    """The front against the baseline as text for the console; of an ablation its table."""
    run = load(run_dir)
    if (found := ablation_of(run)) is not None:
        told = standing(run, compared(run)).partition(" Front:")[0]
        return ablation_summary(found, standing=told, finished=bool(run.finished), command=run.command)
    return summary_text(run, compared(run), arch_names(run.conf))
