"""front.tex and report.md: what stands in them, and that no text of a run breaks them."""

import re

import pytest

import report
from report.latex import TEX

NEVER_BARE = re.compile(r"(?<!\\)[_%#]")


@pytest.fixture
def written(full):
    """The two files of a whole run."""
    report.write(full)
    return (full / "front.tex").read_text(), (full / "report.md").read_text()


def rows_of(tex):
    """The table's lines by cell; only an ampersand that is not escaped parts them."""
    table = tex[tex.index(r"\toprule") : tex.index(r"\bottomrule")]
    return [re.split(r"(?<!\\)&", line) for line in table.splitlines() if line.endswith(r"\\")]


def test_the_table_is_whole_and_escaped(written):
    tex, _ = written
    begun, ended = re.findall(r"\\begin\{(\w+)\}", tex), re.findall(r"\\end\{(\w+)\}", tex)
    assert begun == ended[::-1] == ["table", "adjustbox", "tabular"]
    assert len({len(row) for row in rows_of(tex)}) == 1
    for line in tex.splitlines()[1:]:
        assert not NEVER_BARE.search(line), line
        assert re.sub(r"\\[{}]", "", line).count("{") == re.sub(r"\\[{}]", "", line).count("}"), line
        assert line.replace(r"\$", "").count("$") % 2 == 0


def test_the_best_of_each_column_is_bold_and_the_baseline_first(written):
    tex, _ = written
    head, baseline, *front = rows_of(tex)
    assert baseline[0].strip() == r"segformer\_b2"
    assert baseline[-1].strip().startswith("baseline")
    for n in range(2, len(head) - 1):
        assert any(r"\textbf" in row[n] for row in (baseline, *front)), head[n]
    accuracy = [float(re.search(r"0\.\d+", row[-2])[0]) for row in (baseline, *front)]
    bold = [r"\textbf" in row[-2] for row in (baseline, *front)]
    assert [value == max(accuracy) for value in accuracy] == bold


def test_what_seeds_and_intervals_leave_open_stands_beside(written):
    tex, markdown = written
    assert r"$\pm$" in tex
    assert "+-" in markdown


def test_markdown_has_front_failures_and_how_it_was_made(written):
    _, markdown = written
    assert "| **" in markdown or " **" in markdown
    assert "params_m 84.6 is over its limit 40" in markdown
    assert "- Command: python run_search.py +space=segformer search.trials=40" in markdown
    table = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in table}) == 1


def test_a_run_that_has_only_begun_has_both_files(writer):
    run = writer()
    report.write(run.directory)
    assert "No network has been measured" in (run.directory / "report.md").read_text()
    assert r"\bottomrule" in (run.directory / "front.tex").read_text()


def test_every_letter_that_latex_reads_is_escaped():
    assert set(r"\&%$#_{}~^") <= set(TEX)
