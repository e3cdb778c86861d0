"""Paredown from Python or a notebook: `python docs/library.py results/<space>/<run>`.

Reads a run, its front as a pandas frame, builds a member of the front, with its weights where the run kept them
(`search.keep=true`), exports the knee and draws the front. Nothing is trained.
"""

import sys
from pathlib import Path

import torch

from report.export.command import Wanted, export
from report.export.member import NoWeights, chosen, loaded
from report.frame import curves_frame, front_frame, trials_frame
from report.front import compare
from report.names import arch_names
from report.picture import write_png
from report.run import load
from space import build


def main(run_dir: Path) -> None:
    """What a notebook would do, cell by cell."""
    # A run is what its directory says, also while it goes on. One with plug-ins needs them imported first.
    run = load(run_dir)
    print(run.name, f"{len(run.trials)} trials, finished: {run.finished}")

    # Its front: a line for each network, measurements and changes against the baseline as columns.
    front = front_frame(run)
    print(front[[*(goal.name for goal in run.goals), "changes"]].to_string())

    # Every trial, with its choices as columns: ready for groupby.
    trials = trials_frame(run)
    print(trials.groupby("kind").size().to_string())
    print(f"{len(curves_frame(run))} trained rungs")

    # A member of the front as a network, ready to train ...
    arch = front.iloc[0]["arch"]
    network = build(arch, classes=5, image_size=(64, 64)).eval()
    with torch.inference_mode():
        print(f"{arch}: {tuple(network(torch.zeros(1, 3, 64, 64)).shape)}")

    # ... or as it was trained, where the run kept its checkpoints: the best, the knee, the baseline, or a trial by its number.
    knee = chosen(run, compare(run), "knee")
    try:
        member = loaded(knee, input_size=(64, 64))
        print(f"weights: {member.weights}, {sum(p.numel() for p in member.module.parameters())} parameters")
    except NoWeights as error:
        print(error)

    # The knee as files, as `python -m report export` writes them; other formats: onnx, torch, safetensors, hf.
    export(Wanted(run_dir, "knee", ("arch",), folder=Path("knee")))

    # The picture of the report; `trials` and `front` draw any other.
    write_png(compare(run), Path("front.png"), title=run.name, names=arch_names(run.conf))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
