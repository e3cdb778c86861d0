"""Networks of a run as files: the whole front as architectures (winners.py), one of them in the formats that it ships in."""

from report.export.winners import write_arches, write_csv

__all__ = ["write_arches", "write_csv"]
