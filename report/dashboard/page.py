"""What stands where on the page: a head with the run, tabs, and beside them the panel of the chosen trial."""

from pathlib import Path
from typing import Any

from dash import dcc, html

from report.dashboard.table import KINDS
from report.pictures import BUDGETS, front_picture, progress_picture
from report.view import View

TABS = {
    "front": "Front",
    "trials": "Trials",
    "curves": "Curves",
    "choices": "Choices",
    "failures": "Failures",
    "versus": "Runs",
}
TICK_MS = 2000
"""How often the logs are looked at."""
GRAPH = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}
FOLDER = Path(__file__).parent
PLOTLY = "_dash-component-suites/plotly/package_data/plotly.min.js"
"""Asked for with the page itself: Dash would begin to load it only when a graph is to be drawn."""


def index() -> str:
    """The page around Dash: the report's own style sheet in its light colours, then the page's."""
    report = (FOLDER.parent / "page.css").read_text()
    root = report[: report.index("@media")]
    style = f"{report}\n{root}\nhtml {{ color-scheme: light; }}\n{(FOLDER / 'dashboard.css').read_text()}"
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Paredown</title><link rel="icon" href="data:,"><script async src="{PLOTLY}"></script>{{%css%}}<style>{style}</style></head>
<body>{{%app_entry%}}<footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer></body>
</html>"""


def page(runs: list[str], first: str, pane: list[Any], versions: dict[str, int]) -> html.Div:
    """`pane` is the first tab's content, drawn from logs that were read as far as `versions` say."""
    return html.Div(
        [
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="version", data=versions),
            dcc.Store(id="chosen"),
            dcc.Store(id="trials-state", data={}),
            dcc.Store(id="failures-state", data={"sort": "reason"}),
            dcc.Download(id="file"),
            html.Header(html.Div(_head(runs, first))),
            html.Div(
                [
                    html.Main([_tabs(), html.Div(pane, id="pane")]),
                    html.Aside(id="panel", className="panel"),
                ],
                className="body",
            ),
        ],
        id="page",
    )


def _head(runs: list[str], first: str) -> list[Any]:
    picker = dcc.Dropdown(runs, first, id="run", clearable=False, searchable=len(runs) > 8)
    one = html.Div(picker, className="picker", style={} if len(runs) > 1 else {"display": "none"})
    return [
        html.Div([html.Div("Paredown", className="brand"), html.H1(id="title"), html.Div(id="standing", className="soft")]),
        one,
    ]


def _tabs() -> dcc.Tabs:
    tabs = [dcc.Tab(label=label, value=key, className="tab", selected_className="tab on") for key, label in TABS.items()]
    return dcc.Tabs(tabs, id="tab", value="front", className="tabs", parent_className="tabs-frame")


def card(*content: Any, controls: list[Any] | None = None) -> html.Section:
    head = [html.Div(controls, className="controls")] if controls else []
    return html.Section([*head, *content], className="panel card-panel")


def graph(name: str, height: int, figure: dict[str, Any] | None = None) -> dcc.Graph:
    """Of what it begins with; else empty, for a callback to draw."""
    nothing = {"data": [], "layout": {"height": height}}
    return dcc.Graph(id={"picture": name}, config=GRAPH, style={"height": f"{height}px"}, figure=figure or nothing)


def select(identity: str, options: list[dict[str, str]] | dict[str, str], value: str | None) -> dcc.Dropdown:
    return dcc.Dropdown(options, value, id=identity, clearable=False, searchable=False, className="select", maxHeight=320)


def front_pane(view: View, chosen: int | None) -> list[Any]:
    """Both pictures come with it: each is drawn once, and before the browser asks for anything further."""
    (across, up), axes, over = view.first_axes, view.axes_named, "trials"
    return [
        card(
            graph("front", 500, front_picture(view, across, up, chosen)),
            controls=["Across", select("across", axes, across), "Up", select("up", axes, up)],
        ),
        card(
            graph("progress", 300, progress_picture(view, over)),
            html.P(view.counted_from, id="progress-note", className="note inside"),
            controls=["Hypervolume over", select("over", BUDGETS, over)],
        ),
    ]


def trials_pane() -> list[Any]:
    words = dcc.Input(id="trials-words", type="search", placeholder="number, name, reason ...", debounce=0.4)
    kinds = select("trials-kind", KINDS | {"": "all trials"}, "")
    return [card(html.Div(id="trials-table"), controls=[words, kinds])]


def curves_pane(names: list[dict[str, str]], first: str | None) -> list[Any]:
    return [
        html.Div(id="running"),
        card(graph("curves", 480), controls=["Measurement", select("curve", names, first)]),
    ]


def choices_pane(run: str, places: list[str], shown: list[str], names: list[dict[str, str]], first: str | None) -> list[Any]:
    picker = dcc.Dropdown(places, shown, id="places", multi=True, className="places", placeholder="choices to draw")
    return [
        card(
            graph("parallel", 520),
            html.P("Drag along an axis to keep a part of it; drag a name to move its axis.", className="note inside"),
            controls=["Choices", picker, "Colour", select("colour", names, first)],
        ),
        html.H2("Which choices matter"),
        dcc.Store(id="importance-of", data=run),  # Dash calls nothing for a new place unless an input of it is new too
        dcc.Loading(html.Div("Growing forests ...", id="importance"), type="dot", color="#0b6e6e"),
    ]


def failures_pane() -> list[Any]:
    return [html.Div(id="failures-summary"), card(html.Div(id="failures-table"))]


def versus_pane(runs: list[str], axes: list[dict[str, str]], across: str, up: str) -> list[Any]:
    picker = dcc.Dropdown(runs, runs[:8], id="contenders", multi=True, className="places")
    return [
        card(
            graph("versus", 480),
            controls=["Runs", picker, "Across", select("versus-across", axes, across), "Up", select("versus-up", axes, up)],
        ),
        card(html.Div(id="versus-table", className="inside")),
    ]


def chosen_number(chosen: Any, run: str) -> int | None:
    """The chosen trial, where it is one of this run."""
    return chosen["trial"] if chosen and chosen["run"] == run else None
