"""One trial, from an arch to its measurements: cost, then latency, then training, each only if what came before allows it."""

import collections
import contextlib
import functools
import gc
import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evaluators.api import Job, Measurements, Outcome, RungResult
from evaluators.augmentation import check_recipe
from evaluators.cost.cache import CostCache
from evaluators.crew import ALONE, Crew
from evaluators.device import resolved_device
from evaluators.distill.baseline import adopt, baseline_directory, trained_once
from evaluators.distill.teacher import teacher as teacher_in
from evaluators.fit import check_fit, check_teacher
from evaluators.inherit import LEFT, PARENT, digest, inherit, leave, weights_of
from evaluators.latency import CannotRun, LatencyBench, check_baseline
from evaluators.limits import excess
from evaluators.parallel import check_parallel, together
from evaluators.schedule import BASELINE
from evaluators.train import TrialFailed, out_of_memory, seeded, train
from evaluators.turns import DeviceTurns
from registry import import_plugins
from space import Arch, build, build_measured


@dataclass(frozen=True)
class Evaluation:
    """Everything that turns a job into measurements; picklable, and built up on first use in each worker.

    `init`: a checkpoint file whose weights candidates begin with as far as they fit; "parent": those of Job.parent; "": fresh ones.
    `limits` bound measurements that cost no training: with `params_m: 20` anything larger is neither timed nor trained.
    `processes` train one network together; what measures it is one.
    """

    baseline: Arch
    input_size: tuple[int, int]
    task: Any
    data: Any
    schedule: Any
    latency: Any
    limits: Mapping[str, float]
    device: str
    plugins: tuple[str, ...]
    cache: Path
    init: str = ""
    processes: int = 1

    def __call__(self, job: Job) -> Iterator[RungResult | Outcome]:
        """Yield rung 0 (cost and latency), each trained rung up to job.rung, then how the trial ended."""
        import_plugins(self.plugins)
        job.directory.mkdir(parents=True, exist_ok=True)
        try:
            yield from self._measured_and_trained(job)
        except TrialFailed as failure:
            yield Outcome("failed", str(failure))
        except Exception as error:
            kind = out_of_memory(error)
            yield Outcome("failed", f"out of memory: {kind}") if kind else Outcome("bug", traceback.format_exc())
        finally:
            release_memory()

    def _measured_and_trained(self, job: Job) -> Iterator[RungResult | Outcome]:
        bench = workbench(self)
        measurements, excess = self._price(job, bench)
        yield RungResult(0, measurements)
        if excess:
            yield Outcome("infeasible", excess)
            return
        if job.rung > 0:
            yield from self._train(job, bench)
        yield Outcome("ok")

    def _train(self, job: Job, bench: "Workbench") -> Iterator[RungResult]:
        """The trained rungs, taught by whom the schedule names."""
        yield from self._trained(job, self._teacher(job, bench), bench)

    def _trained(self, job: Job, teacher: str, bench: "Workbench") -> Iterator[RungResult]:
        """The trained rungs, in this process or in several. `teacher`: where it is; "": nobody."""
        if self.processes == 1:
            return self.training(job, teacher, bench.device)
        release_memory()  # the others need what this one measured with
        return together(functools.partial(self.training, job, teacher), size=self.processes, device=bench.device)

    def training(self, job: Job, teacher: str, device: str, crew: Crew = ALONE) -> Iterator[RungResult]:
        """The trained rungs of a job; the first says what the network began with, where that was not chance, and who taught it."""
        import_plugins(self.plugins)
        turns = DeviceTurns(device)
        alone_here = crew.leads or torch.device(device).type == "cuda"  # one turn on a CPU holds for the whole crew
        step_turn = turns.training_step if alone_here else contextlib.nullcontext
        source = (job.parent / LEFT if job.parent else None) if self.init == PARENT else Path(self.init) if self.init else None
        with crew.turn(step_turn):
            taught_by = self._loaded_teacher(teacher) if teacher else None
            with seeded(job.seed):
                network = self.trainee(job.arch)
            begun = inherit(network, source) if source else {}
            origin = digest(network) if source else ""
            if taught_by:
                taught = digest(taught_by)
                origin += f"{taught} {self.schedule.distill}"
                begun = {**begun, "teacher": f"{self.schedule.teacher} ({taught[:8]})"}
        for result in train(
            network,
            self.task,
            self.data,
            self.schedule,
            seed=job.seed,
            rung=job.rung,
            directory=job.directory,
            device=device,
            step_turn=step_turn,
            made=self._made(job.arch),
            origin=origin,
            teacher=taught_by,
            crew=crew,
        ):
            yield RungResult(result.rung, {**result.measurements, **begun}) if result.rung == 1 else result
        if self.init == PARENT and crew.leads:
            leave(job.directory, job.rung, epochs=self.schedule.epochs(job.rung) + begun.get("inherited_epochs", 0))

    def _teacher(self, job: Job, bench: "Workbench") -> str:
        """Where the teacher of the job's network is; '' where it learns from the truth alone, as a baseline that teaches does."""
        if self.schedule.teacher != BASELINE:
            return self.schedule.teacher or ""
        directory = baseline_directory(job.directory, job.seed)
        lessons = replace(job, arch=self.baseline, rung=len(self.schedule.rungs), directory=directory, parent=None)
        try:
            trained_once(directory, lambda: collections.deque(self._trained(lessons, "", bench), maxlen=0))
        except TrialFailed as failure:
            raise TrialFailed(failure.kind, f"of the baseline, the teacher: {failure.args[1]}") from None
        if job.arch == self.baseline:
            adopt(directory, job.directory)
            return ""
        return str(directory)

    def _loaded_teacher(self, where: str) -> nn.Module:
        return teacher_in(where, classes=self.data.classes, image_size=(self.schedule.image_size, self.schedule.image_size))

    def _made(self, arch: Arch) -> dict[str, Any]:
        """What a checkpoint must say of its network so that others can begin with it."""
        size = [self.schedule.image_size] * 2
        whole = {"network": arch.network, "arch": dict(arch.arch), "classes": self.data.classes}
        return {**whole, "image_size": size, "width": self.schedule.width}

    def defaults(self) -> dict[str, dict[str, Any]]:
        """What task, data, schedule and latency are where nothing is said, by the names of their groups."""
        parts = {"task": self.task, "data": self.data, "schedule": self.schedule, "latency": self.latency}
        return {group: asdict(type(part)()) for group, part in parts.items()}

    def deployed(self, arch: Arch | None = None) -> nn.Module:
        """The network whose latency is measured; the baseline where none is given."""
        return build_measured(arch or self.baseline, self.data.classes, image_size=self.input_size)

    def trainee(self, arch: Arch) -> nn.Module:
        """The network as it is trained: for the schedule's images, with its part of the channels, its stochastic depth, and batch
        norms that follow as fast as it asks."""
        recipe = self.schedule
        size = (recipe.image_size, recipe.image_size)
        network = build(arch, self.data.classes, image_size=size, width=recipe.width, drop_path=recipe.drop_path)
        if recipe.norm_momentum:
            for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
                norm.momentum = recipe.norm_momentum
        return network

    def check(self) -> str:
        """What candidates begin with, in words; ValueError where the data have faults, where data, task, schedule and baseline do
        not fit each other, or where the file that `init` names is of no use to this search."""
        self.data.check()
        self.task.check(self.data)
        check_recipe(self.schedule, self.data)
        baseline = self.trainee(self.baseline)
        check_fit(baseline, self.task, self.schedule)
        check_parallel(self.schedule, self.processes, self.device)
        self._check_teacher(baseline)
        for backend in self.latency.backends.values():
            backend.check_for(self.baseline, self.input_size, self.data.classes)
        check_baseline(self.latency, self.deployed, self.input_size)
        if self.init in ("", PARENT):
            return "init: candidates begin with the weights of the nearest trained one" if self.init else ""
        begun = inherit(baseline, Path(self.init))
        found, here = weights_of(Path(self.init)).width, self.schedule.width
        advice = f"; its network has schedule.width={found:g}, here it is {here:g}" if found != here else ""
        if not begun["init_percent"]:
            raise ValueError(f"init: nothing of {self.init} fits the baseline{advice}: {begun['init']}")
        return f"init: the baseline takes {begun['init']}{advice}"

    def _check_teacher(self, baseline: nn.Module) -> None:
        """ValueError where the baseline cannot learn from the schedule's teacher, so that none of its space can."""
        given = self.schedule.teacher
        if given == BASELINE and self.init == PARENT:
            raise ValueError("schedule.teacher: baseline given beside init=parent; allowed there: the weights of a trained network")
        if given:
            teacher = self.trainee(self.baseline) if given == BASELINE else self._loaded_teacher(given)
            check_teacher(teacher, baseline, self.task, self.schedule)

    def _price(self, job: Job, bench: "Workbench") -> tuple[Measurements, str]:
        """Cost and, within the limits, latency; with what exceeds a limit ('' where nothing does). Found again after a restart."""
        kept = job.directory / "rung0.json"
        found = None if job.again else readable(kept)
        if found is not None:
            return found, self._excess(job.arch, found)
        self._check_member(job.arch)
        begun = time.perf_counter()
        with bench.turns.training_step():  # counting keeps a CPU busy too
            measurements = dict(bench.costs.measure(job.arch, input_size=self.input_size, classes=self.data.classes))
        measurements |= self._timed(job, bench, measurements)
        measurements["measure_s"] = time.perf_counter() - begun
        whole = kept.with_suffix(".part")
        with whole.open("w") as file:
            json.dump(measurements, file)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the name without the content
        whole.replace(kept)
        return measurements, self._excess(job.arch, measurements)

    def _timed(self, job: Job, bench: "Workbench", priced: Measurements) -> Measurements:
        """Latency on every backend, as long as no limit is exceeded. TrialFailed where a backend cannot run the network."""
        arch, found = job.arch, dict[str, Any]()
        candidate = functools.cache(functools.partial(self.deployed, arch))
        for name in bench.latency.backends:
            if self._excess(arch, {**priced, **found}):
                break
            try:
                told = bench.latency.foretold(name, arch, again=job.again)
                found |= told or bench.latency.measure(name, candidate)
            except CannotRun as error:
                raise TrialFailed("unrunnable", str(error)) from error
        return found

    def _check_member(self, arch: Arch) -> None:
        """TrialFailed where the network cannot be built as deployed or as trained, as with an even kernel in a narrowed space."""
        try:
            with torch.device("meta"):
                build(arch, self.data.classes, image_size=self.input_size)
                self.trainee(arch)
        except ValueError as error:
            raise TrialFailed("unbuildable", str(error)) from None

    def _excess(self, arch: Arch, measurements: Measurements) -> str:
        """The first limit that is exceeded, and by how much. None holds for the baseline: all others are compared with it."""
        return "" if arch == self.baseline else excess(measurements, self.limits)


def readable(kept: Path) -> Measurements | None:
    """The measurements that a finished rung 0 left; None where there are none, or not whole ones."""
    try:
        return json.loads(kept.read_text())
    except (FileNotFoundError, ValueError):
        return None


class Workbench:
    """What the trials of one process share: the device and its turns, the known costs, the baseline of every latency."""

    def __init__(self, conf: Evaluation):
        self.device = resolved_device(conf.device, "device")
        self.turns = DeviceTurns(self.device)
        self.costs = CostCache(conf.cache / "costs.jsonl", plugins=conf.plugins)
        self.latency = LatencyBench(conf.latency, functools.cache(conf.deployed), conf.input_size)


_shared: dict[str, Workbench] = {}


def workbench(conf: Evaluation) -> Workbench:
    """This process's workbench for a configuration: made once, though each trial may bring its own copy of the configuration."""
    key = json.dumps(asdict(conf), sort_keys=True, default=str)
    if key not in _shared:
        _shared.clear()  # a worker serves one run at a time; the baseline of another would only hold memory
        _shared[key] = Workbench(conf)
    return _shared[key]


def release_memory() -> None:
    """Give back what a trial held, so that the next one in this process starts from the same place."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
