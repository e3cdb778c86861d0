"""Records to results: front.csv, front.png, report.html and the winners' files, all from config.yaml and trials.jsonl alone."""

from pathlib import Path

from report.export import write_arches, write_csv
from report.front import compare
from report.html import write_html
from report.names import arch_names
from report.picture import write_png
from report.run import load
from report.table import summary_text

__all__ = ["summary", "write"]


def write(run_dir: Path | str) -> Path:
    """Write (again) everything that a run directory shows; nothing is trained. Returns the path of report.html."""
    run = load(run_dir)
    comparison, names = compare(run), arch_names(run.conf)
    write_arches(comparison, run.directory / "arches")
    write_csv(comparison, run.directory / "front.csv")
    write_png(comparison, run.directory / "front.png", title=run.name, names=names)
    return write_html(run, comparison, run.directory / "report.html", names=names)


def summary(run_dir: Path | str) -> str:
    """The front against the baseline as text for the console."""
    run = load(run_dir)
    return summary_text(run, compare(run), arch_names(run.conf))
