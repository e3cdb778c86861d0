"""How every picture on the page looks: the report's colours, as plotly wants them."""

from typing import Any

from report.picture import BASELINE, DOT, FRONT, GRID, INK

SOFT = "#5b6675"
KNOWN = "#6d4aa3"
OPEN = "#8a5a00"
RUNS = ("#0b6e6e", "#c2410c", "#6d4aa3", "#1d5fa8", "#8a5a00", "#b3266f", "#3f7d20", "#5b6675")
"""One for each run in a picture of several; then they begin again."""
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
SCALE = [[0.0, "#e3e7ec"], [0.35, "#9cc9c6"], [0.7, "#3d938f"], [1.0, "#084c4c"]]
"""From worse to better."""

__all__ = ["BASELINE", "DOT", "FRONT", "GRID", "INK", "KNOWN", "OPEN", "RUNS", "SCALE", "SOFT", "axis", "empty", "layout"]


def layout(**more: Any) -> dict[str, Any]:
    """What all pictures share; `uirevision` keeps a reader's zoom while the run goes on."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": SOFT},
        "margin": {"l": 70, "r": 24, "t": 40, "b": 56},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": GRID, "align": "left", "font": {"color": INK, "size": 12.5}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#8a94a3", "activecolor": FRONT},
        **more,
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    look = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True}
    return {"title": {"text": title, "standoff": 12}, **look, **more}


def empty(text: str) -> dict[str, Any]:
    """A picture of nothing yet, which says why."""
    bare = {"visible": False}
    said = {"text": text, "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "font": {"size": 14}}
    return {"data": [], "layout": layout(xaxis=bare, yaxis=bare, annotations=[said])}
