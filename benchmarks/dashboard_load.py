"""How soon the dashboard shows a run: reading it, the server's work, what travels, the first front in Chromium.

python benchmarks/dashboard_load.py results/segformer/default [--visits 3]
"""

import argparse
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plotly.utils import PlotlyJSONEncoder
from rich.console import Console
from rich.table import Table

from report.dashboard.server import make_server
from report.dashboard.watch import Watch
from report.pictures import front_picture, progress_picture

FRONT = ".js-plotly-plot .scatterlayer .trace .points path"


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and its processor time in ms."""
    begun = time.process_time()
    found = work()
    return found, (time.process_time() - begun) * 1e3


def visits(address: str, count: int) -> list[tuple[float, float]]:
    """Of each visit with an empty cache the seconds until the front is drawn, and the kilobytes that travelled but for scripts."""
    from playwright.sync_api import sync_playwright

    told = []
    with sync_playwright() as driver:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        for _ in range(count):
            page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
            sizes: list[int] = []
            page.on("requestfinished", lambda r, sizes=sizes: sizes.append(0 if ".js" in r.url else r.sizes()["responseBodySize"]))
            begun = time.monotonic()
            page.goto(address)
            page.wait_for_selector(FRONT, timeout=120_000, state="attached")
            told.append((time.monotonic() - begun, sum(sizes) / 1e3))
            page.context.close()
        browser.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run directory")
    parser.add_argument("--visits", type=int, default=3)
    options = parser.parse_args()
    watch, reading = timed(lambda: Watch([options.run]))
    server, warming = timed(lambda: make_server(watch, host="127.0.0.1", port=0))
    view = watch.view(watch.keys()[0])
    table = Table("", "ms of processor time", "kB", title=f"{options.run}: {len(view.run.trials)} trials", title_justify="left")
    table.add_row("server: log read", f"{reading:.0f}", "")
    table.add_row("server: networks compared, page made", f"{warming:.0f}", "")
    axes = view.first_axes
    pictures = {"front": lambda: front_picture(view, *axes, None), "hypervolume": lambda: progress_picture(view, "trials")}
    for name, draw in pictures.items():
        text, spent = timed(lambda draw=draw: json.dumps(draw(), cls=PlotlyJSONEncoder))
        table.add_row(f"server: {name}", f"{spent:.0f}", f"{len(text) / 1e3:.0f}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for n, (seconds, travelled) in enumerate(visits(f"http://127.0.0.1:{server.port}/", options.visits), start=1):
        table.add_row(f"visit {n}: first front after {seconds:.1f} s", "", f"{travelled:.0f}")
    server.shutdown()
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
