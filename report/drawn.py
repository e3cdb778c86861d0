"""The pictures that report.html shares with the dashboard: ready made, for a page that is only looked at."""

from typing import Any

from report.choices_picture import parallel_picture
from report.pictures import curves_picture, progress_picture
from report.view import View

AXES = 7
"""Choices in the parallel coordinates, those that separate the first objective most: more are not read on paper."""


def drawn(view: View) -> list[dict[str, Any]]:
    """Title, note and figure of each picture that there is anything to show in."""
    goal = view.comparison.goals[0].name
    told = [
        {
            "title": "What the search found, and when",
            "note": "Hypervolume of the fully trained networks over the trials that had ended. " + view.counted_from,
            "figure": progress_picture(view, "trials"),
            "height": 300,
        },
        {
            "title": "How training went",
            "note": "Each trial's readings, rung by rung; the newest besides the front.",
            "figure": curves_picture(view, goal, None),
            "height": 400,
        },
        {
            "title": "What was chosen, and what came of it",
            "note": "A line for each network, through its options to the objectives: the choices that separate the first most.",
            "figure": parallel_picture(view, list(view.choices)[:AXES], goal),
            "height": 460,
        },
    ]
    return [_still(entry) for entry in told if entry["figure"]["data"]]


def _still(entry: dict[str, Any]) -> dict[str, Any]:
    """Drawn as lines, not by the graphics card: paper takes it, and a page may hold any number of them."""
    traces = [trace | {"type": trace["type"].replace("scattergl", "scatter")} for trace in entry["figure"]["data"]]
    return entry | {"figure": {"data": traces, "layout": entry["figure"]["layout"]}}
