"""The dashboard in a browser, over a run of thousands of trials whose numbers come from a seeded generator."""

import copy
import json
import random
import shutil
import threading
import time
from pathlib import Path

import pytest
import yaml

from report.dashboard.watch import Watch
from space import Arch

ROOT = Path(__file__).parents[2]
MIXERS = (
    {"name": "pool", "size": 3, "minus": "input"},
    {"name": "pool", "size": 5, "minus": "input"},
    {"name": "depthwise", "kernel": 3, "bias": "all"},
)
CONF = {
    "choices": {"space": "segformer", "task": "segmentation"},
    "space": {"network": "segformer", "baseline": "segformer_b2", "known": ["boostformer"], "input_size": [512, 512]},
    "schedule": {"rungs": [1, 3, 9]},
    "search": {"objectives": {"miou": "max", "latency_ms": "min"}, "limits": {"params_m": 40.0}, "seed": 0},
}


def member(rng, baseline):
    """An architecture with some of the baseline's stages changed, and how good and how slow it is, by rule and noise."""
    arch, quality, cost = copy.deepcopy(dict(baseline)), 0.30, 1.0
    for n in range(1, 5):
        stage = arch[f"stage{n}"]
        if rng.random() < 0.6:
            mixer = rng.choice(MIXERS)
            stage["mixer"] = dict(mixer)
            quality -= 0.004 * n if mixer["name"] == "pool" else 0.006
            cost -= 0.20 / n
        depth = rng.randint(1, stage["depth"])
        quality -= 0.004 * (stage["depth"] - depth)
        cost -= 0.03 * (stage["depth"] - depth)
        stage["depth"] = depth
        if rng.random() < 0.4:
            stage["ffn"] = stage["ffn"] | {"ratio": rng.choice([2, 3, 4]), "kernels": rng.choice([[3], [5], [3, 5]])}
            cost -= 0.02
    return arch, quality + rng.gauss(0, 0.008), max(cost, 0.1) * rng.uniform(0.95, 1.08)


def write_run(directory, *, trials, seed=0, running=3, finished=False):
    """A run directory of so many trials, as a search would have written it: some infeasible, some failed, the last ones running."""
    rng = random.Random(seed)
    directory.mkdir(parents=True)
    conf = CONF | {"search": CONF["search"] | {"seed": seed}}
    (directory / "config.yaml").write_text(yaml.safe_dump(conf, sort_keys=False))
    known = [Arch.from_yaml(ROOT / "conf" / "arch" / f"{name}.yaml") for name in ("segformer_b2", "boostformer")]
    facts = {"event": "started", "command": "python run_search.py +space=segformer", "at": 1.7e9}
    with (directory / "trials.jsonl").open("w") as log:
        at = 1.7e9

        def event(kind, /, **facts):
            log.write(json.dumps({"event": kind, "at": round(at, 2), **facts}) + "\n")

        log.write(json.dumps(facts) + "\n")
        for number in range(trials):
            arch, quality, cost = (
                (dict(known[number].arch), 0.30 + 0.01 * number, 1.0 - 0.4 * number) if number < 2 else member(rng, known[0].arch)
            )
            made = Arch("segformer", arch)
            asked = {"number": number, "trial": number, "continues": None, "id": made.id, "seed": seed, "rung": 3, "ask_s": 0.01}
            event("asked", **asked, arch={"network": "segformer", "arch": arch})
            latency, at = 100 * cost, at + rng.uniform(5, 20)
            chance = rng.random() if number > 1 else 1.0
            if chance < 0.04:
                event("rung", number=number, rung=0, measurements={"params_m": 44.1})
                event("ended", number=number, kind="infeasible", reason="params_m 44.1 is over its limit 40 by 4.1 (10.2 %)")
                continue
            measured = {"params_m": 27.5 * cost, "macs_g": 62.3 * cost, "latency_ms": latency, "latency_ratio": cost}
            measured |= {"latency_low_ms": latency * 0.97, "latency_high_ms": latency * 1.04, "baseline_latency_ms": 100.0}
            event("rung", number=number, rung=0, measurements=measured)
            open_still = number >= trials - running
            for rung in range(1, 2 if open_still else 4):
                at += rng.uniform(10, 30)
                miou = quality * (1 - 0.22 * (3 - rung))
                event("rung", number=number, rung=rung, measurements={"miou": miou, "loss": 1 - miou, "train_s": 20.0 * rung})
            if open_still:
                continue
            failed = chance < 0.06
            reason = "nan: the loss was not finite in epoch 9" if failed else ""
            event("ended", number=number, kind="failed" if failed else "ok", reason=reason)
        if finished:
            event("finished", reason=f"{trials} trials were trained")
    return directory


@pytest.fixture
def browser():
    """The system's Chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        yield opened
        opened.close()


@pytest.fixture
def served():
    """Serves runs on a free port until the test is over; gives the address."""
    pytest.importorskip("dash", reason="Dash is not installed: pip install dash")
    servers = []

    def serve(*paths):
        from report.dashboard.server import make_server

        server = make_server(Watch(paths), host="127.0.0.1", port=0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


FRONT = ".js-plotly-plot .scatterlayer .trace .points path"


def opened(browser, address):
    """The page once its front is drawn, with what went wrong on it and what it asked of whom."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector(FRONT, timeout=60_000, state="attached")
    return page, wrong, asked


def test_a_trial_is_clicked_and_a_growing_log_is_followed(browser, served, tmp_path):
    run = write_run(tmp_path / "segformer" / "going", trials=24)
    page, wrong, asked = opened(browser, served(run))
    page.locator(FRONT).first.click(force=True)
    page.wait_for_selector("#panel .arch .box")
    assert "Trial" in page.inner_text("#panel")
    assert "search=archs" in page.inner_text("#panel")
    assert "24 trials" in page.inner_text("#standing")
    arch = Arch.from_yaml(ROOT / "conf" / "arch" / "segformer_b0.yaml")
    made = {"network": "segformer", "arch": dict(arch.arch)}
    asked_for = {"event": "asked", "number": 24, "trial": 24, "continues": None, "id": arch.id, "seed": 0, "rung": 3, "ask_s": 0}
    with (run / "trials.jsonl").open("a") as log:
        log.write(json.dumps({**asked_for, "arch": made}) + "\n")
    page.wait_for_function("document.querySelector('#standing').innerText.includes('25 trials')", timeout=30_000)
    for tab, shown in (("Trials", "#trials-table tr.pick"), ("Failures", "#failures-table"), ("Curves", "#running tr.pick")):
        page.locator(".tabs .tab", has_text=tab).first.click()
        page.wait_for_selector(shown)
    page.locator("#running tr.pick").first.click()
    page.wait_for_function("document.querySelector('#panel').innerText.includes('Trial 24')")
    assert not wrong
    assert not [url for url in asked if not url.startswith((page.url, "data:", "blob:"))]


def test_importance_is_drawn_and_an_architecture_is_saved_and_copied(browser, served, tmp_path):
    run = write_run(tmp_path / "segformer" / "over", trials=40, running=0, finished=True)
    page, wrong, _ = opened(browser, served(run))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(FRONT).first.click(force=True)
    page.wait_for_selector("#panel .copy")
    with page.expect_download() as waiting:
        page.locator("#panel button.plain").click()
    saved = Path(waiting.value.path())
    number = waiting.value.suggested_filename.split("_")[1]
    assert waiting.value.suggested_filename == f"trial_{number}_{Arch.from_yaml(saved.read_text()).id[:8]}.yaml"
    commands = page.locator("#panel pre").all_inner_texts()
    assert f"python -m report export {run} --trial {number} --to arch,onnx" in commands
    page.locator("#panel .copy").first.click()
    page.wait_for_function("async text => (await navigator.clipboard.readText()) === text", arg=commands[0])
    page.locator(".tabs .tab", has_text="Choices").first.click()
    page.wait_for_selector("#importance .barlayer path", timeout=60_000, state="attached")
    assert not wrong


@pytest.mark.slow
def test_five_thousand_trials(browser, served, tmp_path):
    """Bounds are wide: a busy machine runs this too."""
    address = served(write_run(tmp_path / "segformer" / "large", trials=5000))
    begun = time.monotonic()
    page, wrong, _ = opened(browser, address)
    assert time.monotonic() - begun < 20
    page.locator(".tabs .tab", has_text="Trials").first.click()
    page.wait_for_selector("#trials-table tr.pick")
    assert page.locator("#trials-table tr.pick").count() == 25
    page.locator("#trials-table th button", has_text="mIoU").click()
    page.wait_for_selector("#trials-table th:has-text('mIoU') .arrow:has-text('\u2191')")
    page.locator("#trials-table .pages button", has_text="Next").click()
    page.wait_for_selector("text=page 2 of 200")
    assert not wrong
