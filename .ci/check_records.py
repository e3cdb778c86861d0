"""Read the records of a run and fail unless they tell a whole, honest search. Usage: check_records.py results/<space>"""

import json
import sys
from collections import Counter
from pathlib import Path

(run,) = [folder for folder in Path(sys.argv[1]).iterdir() if (folder / "trials.jsonl").is_file()]
events = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
asked = [event["number"] for event in events if event["event"] == "asked"]
ended = {event["number"]: event for event in events if event["event"] == "ended"}
rungs = Counter((event["number"], event["rung"]) for event in events if event["event"] == "rung")
trained = [event["measurements"] for event in events if event["event"] == "rung" and event["rung"] > 0]

assert asked == list(range(len(asked))), f"numbers are not consecutive: {asked}"
assert sorted(ended) == asked, f"asked {asked}, ended {sorted(ended)}"
assert not {event["kind"] for event in ended.values()} - {"ok"}, f"not every trial went well: {ended}"
assert max(rungs.values()) == 1, f"a rung was written twice: {rungs}"
assert len(asked) >= 4, f"only {len(asked)} trials"
assert all(0 < measured["miou"] <= 1 for measured in trained), trained
assert len({measured["miou"] for measured in trained}) > 1, "all trials scored the same"
for name in ("config.yaml", "front.csv", "front.png", "report.html"):
    assert (run / name).stat().st_size > 0, f"{name} is empty"
assert list((run / "arches").glob("*.yaml")), "no arch of the front was written"
print(f"{run}: {len(asked)} trials, {sum(rungs.values())} rungs, each ended once")
