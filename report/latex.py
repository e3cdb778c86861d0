"""Tables as papers take them: a file to \\input."""

from collections.abc import Sequence

TEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
TEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}

NEEDS = r"% needs \usepackage{adjustbox,array,booktabs}"
PARAGRAPH = r">{\raggedright\arraybackslash}p{0.6\linewidth}"
"""A column of text that breaks into lines."""


def tex(text: str) -> str:
    """Text with what LaTeX would read escaped, and arrows as arrows."""
    return "".join(TEX.get(letter, letter) for letter in text).replace("-\\textgreater{}", r"$\rightarrow$")


def floating(caption: str, columns: str, rows: Sequence[str]) -> str:
    """A floating table, at most as wide as a line however many columns it has. `caption`, `rows`: LaTeX, the heading first."""
    tabular = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *rows, r"\bottomrule", r"\end{tabular}"]
    fitted = [r"\begin{adjustbox}{max width=\linewidth}", *tabular, r"\end{adjustbox}"]
    head = [NEEDS, r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", r"\smallskip"]
    return "\n".join([*head, *fitted, r"\end{table}", ""])
