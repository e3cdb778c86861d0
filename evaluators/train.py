"""Trains a candidate rung by rung. Stopped and continued, or straight through: on one machine the numbers are the same."""

import contextlib
import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evaluators.api import TRAIN_LOSS, RungResult
from evaluators.augmentation import mixed, resized
from evaluators.average import make_average
from evaluators.best import Best
from evaluators.checkpoint import Checkpoints, Pace
from evaluators.crew import ALONE, Crew, Turn
from evaluators.data import Data, Samples
from evaluators.distill.teaching import Said, Teaching
from evaluators.isolation import isolated
from evaluators.loading import normalised, steps_per_epoch, training_batches
from evaluators.optimizer import make_learning_rate, make_optimizer
from evaluators.random_state import derived, seeded
from evaluators.schedule import Schedule
from evaluators.score import score
from evaluators.task import Task

__all__ = ["TrialFailed", "out_of_memory", "seeded", "train"]


class TrialFailed(Exception):
    """A trial that cannot go on by its own doing; `kind` is a word such as 'nan', the text says what happened."""

    def __init__(self, kind: str, text: str):
        super().__init__(kind, text)
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.args[1]}"


def out_of_memory(error: Exception) -> str:
    """The error's text if it says that memory ran out, on a GPU or in the main memory; else ''."""
    signs = ("out of memory", "DefaultCPUAllocator", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    text = str(error)
    told = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(s in text for s in signs)
    )
    return (text.strip().splitlines() or ["no more was said"])[0] if told else ""


def train(
    network: nn.Module,
    task: Task,
    data: Data,
    schedule: Schedule,
    *,
    seed: int,
    rung: int,
    directory: Path,
    device: str,
    step_turn: Turn = contextlib.nullcontext,
    made: Mapping[str, Any] | None = None,
    origin: str = "",
    teacher: nn.Module | None = None,
    crew: Crew = ALONE,
) -> Iterator[RungResult]:
    """Yield a result for each rung from 1 to `rung`; finished ones found in `directory` are adopted, the others trained, one that
    was under way from the last epoch that was saved.

    `network` comes freshly built `with seeded(seed)`. `teacher` is what it learns from beside the truth. `origin` identifies all
    that is trained already: the weights that the network begins with, the teacher's. `made` goes into the checkpoints (see
    `Checkpoints`). Every piece of work runs inside `with step_turn():`, one optimisation or scoring step at a time. `crew` are the
    processes that call this with the same arguments, but for device and turn; the one that leads scores and writes. How many they
    are is no part of what a checkpoint is identified by.

    Measurements: the task's metrics (of the moving average where `ema` is on; with keep=best those of the epoch `best_epoch`),
    `train_loss` (mean of the last epoch, the teacher's part included), `train_s` (time in steps since the trial's beginning),
    `images_per_s` (of this rung), `score_s` (of the scoring that is told), `train_threads`, `train_precision`. Raises TrialFailed
    where a loss or a metric is not finite.
    """
    kept = Checkpoints(directory, identity(network, task, data=data, schedule=schedule, seed=seed) + origin, made or {})
    training = None
    for number in range(1, rung + 1):
        finished = kept.find(number)
        if finished is None:
            training = training or Training(
                network,
                task,
                data=data,
                schedule=schedule,
                seed=seed,
                device=torch.device(device),
                step_turn=step_turn,
                teacher=teacher,
                crew=crew,
            )
            with isolated(schedule.threads or max(1, schedule.thread_count() // crew.size), training.device):
                training.continue_from(*kept.latest(number, schedule.epochs))
                measurements = training.advance(number, kept.save_epoch)
            if crew.leads:
                kept.save(number, measurements, training.state())
        yield RungResult(number, finished.measurements if finished else measurements)


def identity(network: nn.Module, task: Task, *, data: Data, schedule: Schedule, seed: int) -> str:
    """A hash of all that a checkpoint's numbers depend on, but for what was trained before; threads and workers change the time
    they take, not what is trained."""
    unsaid = dataclasses.asdict(Schedule())  # left out, so that a new field of a later version does not make old numbers foreign
    said = {name: value for name, value in dataclasses.asdict(schedule).items() if value != unsaid[name]}
    recipe = {name: value for name, value in said.items() if name not in ("threads", "workers", "teacher", "distill")}
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return hashlib.sha1(repr((repr(network), shapes, task, data, recipe, seed)).encode()).hexdigest()


class Training:
    """One trial's network, optimizer and data, at the end of an epoch. Nothing random carries over from one to the next."""

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        *,
        data: Data,
        schedule: Schedule,
        seed: int,
        device: torch.device,
        step_turn: Turn,
        teacher: nn.Module | None = None,
        crew: Crew = ALONE,
    ):
        self.task, self.schedule, self.seed, self.device, self.step_turn, self.crew = task, schedule, seed, device, step_turn, crew
        layout = torch.channels_last if device.type == "cuda" else torch.preserve_format
        self.network = network = crew.joined(network.to(device, memory_format=layout), device)
        with crew.turn(step_turn):
            self.samples: Samples = data.train_set(schedule.image_size, schedule.sample_fraction, seed)
            self.judged: Samples = data.val_set(schedule.image_size)
        self.classes = data.classes
        self.steps = steps_per_epoch(self.samples, schedule)
        self.optimizer = make_optimizer(network, schedule)
        self.teaching = Teaching(teacher, self.network, task, schedule, seed=seed, device=device) if teacher else None
        if self.teaching:
            self.teaching.join(self.optimizer, schedule)
        self.trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.learning_rate = make_learning_rate(self.optimizer, schedule, steps_per_epoch=self.steps)
        self.average = make_average(network, schedule, steps=self.steps * schedule.rungs[-1])
        self.dtype = precision(schedule.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.best = Best.of(task)
        self.epoch, self.train_s, self.loss = 0, 0.0, math.nan
        self.begun = (0, 0.0)  # the rung that is under way: epochs and time before it

    def continue_from(self, epoch: int, state: Mapping[str, Any]) -> None:
        """Take up what was left on disk after so many epochs, unless this training is that far already."""
        if epoch <= self.epoch:
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average:
            self.average.module.load_state_dict(state["running" if "best" in state else "average"])
        if "best" in state:
            self.best = dataclasses.replace(self.best, **state["best"], weights=state["average"])
        if self.teaching:
            self.teaching.projections.load_state_dict(state["projections"])
        self.epoch, self.train_s, self.loss = epoch, state["train_s"], state.get("loss", math.nan)
        self.begun = tuple(state.get("begun", (epoch, self.train_s)))

    def state(self) -> dict[str, Any]:
        """All that `continue_from` needs. `average` is what was scored, where that is not the network itself: the moving average,
        or the best of the epochs so far, beside which a moving average is `running`."""
        average = self.average.module.state_dict() if self.average else {}
        state = {
            "network": self.network.state_dict(),
            "average": average,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "train_s": self.train_s,
            "loss": self.loss,
            "begun": list(self.begun),
        }
        if self.best.epoch:
            state |= {"average": self.best.weights, "running": average, "best": self.best.told()}
        if self.teaching:
            state["projections"] = self.teaching.projections.state_dict()
        return state

    def advance(self, rung: int, save_epoch: Callable[[int, Mapping[str, Any]], None]) -> dict[str, float | int | str]:
        """Train to the end of a rung and score it; what an interruption should not cost is saved on the way."""
        pace = Pace()
        while self.epoch < self.schedule.epochs(rung):
            self.loss = self._epoch(self.epoch)
            self.epoch += 1
            if self.crew.leads and self.schedule.validates(self.epoch):
                self.best = self.best.or_better(self.epoch, self._score(), self._judged_network())
            if self.crew.leads and pace.due():
                pace.timed(lambda: save_epoch(self.epoch, self.state()))
        if not self.crew.leads:
            return {}
        scores = {**self.best.scores, "best_epoch": self.best.epoch} if self.schedule.keep == "best" else self._score()
        epochs, seconds = self.epoch - self.begun[0], self.train_s - self.begun[1]
        images = min(len(self.samples), self.steps * self.schedule.batch_size) * epochs
        self.begun = (self.epoch, self.train_s)
        return scores | {
            TRAIN_LOSS: self.loss,
            "train_s": self.train_s,
            "images_per_s": images / seconds,
            "train_threads": torch.get_num_threads(),
            "train_precision": str(self.dtype).removeprefix("torch."),
            **({"train_processes": self.crew.size} if self.crew.size > 1 else {}),
        }

    def _judged_network(self) -> nn.Module:
        """The network that is scored."""
        return self.average.module if self.average else self.network

    def _epoch(self, epoch: int) -> float:
        """One pass over the training split; the mean loss of its steps."""
        self.network.train()
        own = () if self.crew.leads else (self.crew.rank,)
        torch.manual_seed(derived(self.seed, "noise", epoch, *own))  # dropout and drop path
        batches = training_batches(self.samples, self.schedule, seed=self.seed, epoch=epoch, crew=self.crew)
        phase = "opening" if self.schedule.opens(epoch) else "closing" if self.schedule.closes(epoch) else ""
        task = getattr(self.task, phase, self.task) if phase else self.task
        total = 0.0
        for step in range(epoch * self.steps, (epoch + 1) * self.steps):
            with self.crew.turn(self.step_turn):
                start = time.perf_counter()
                loss = self._step(task, step, *next(batches))
                self.train_s += time.perf_counter() - start
            if not math.isfinite(loss):
                raise TrialFailed("nan", f"the loss is {loss} at step {step} (epoch {epoch + 1} of {self.schedule.rungs[-1]})")
            total += loss
        return total / self.steps

    def _step(self, task: Task, step: int, images: torch.Tensor, target: Any) -> float:
        """One optimisation step; the loss before it, of the crew's whole batch. Reading it waits for the device. `step` counts on
        through epochs."""
        self.learning_rate.step_update(step)
        self.optimizer.zero_grad()
        inputs, truth = self._shown(self.network, images, target, step)
        with self._autocast(), self.teaching.watching(self.network) if self.teaching else contextlib.nullcontext() as maps:
            output = self.network(inputs)
        loss = task.loss(output, truth)
        if self.teaching:
            seen, _ = self._shown(self.teaching.teacher, images, target, step)
            with self._autocast():
                taught = self.teaching.taught(seen)
            loss = loss + self.teaching.loss(task, Said(output, maps), taught, truth)
        part = len(images) / self.crew.total(len(images))
        self.scaler.scale(loss * part).backward()
        self.crew.sum_gradients(self.trained)
        if self.schedule.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.schedule.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average:
            self.average.update(self.network, step)
        return self.crew.total(loss.item() * part)

    def _shown(self, network: nn.Module, images: torch.Tensor, target: Any, step: int) -> tuple[torch.Tensor, Any]:
        """A batch as a network reads it, and its truth: the same draws whichever network it is."""
        inputs, truth = normalised(images, self.device, network), target.to(self.device)
        inputs, truth = resized(inputs, truth, self.schedule, seed=self.seed, step=step)
        return mixed(inputs, truth, self.schedule, classes=self.classes, seed=self.seed, step=step)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _score(self) -> dict[str, float]:
        """The task's metrics on the whole validation split."""
        with self.crew.apart():
            scores, score_s = score(
                self._judged_network().eval(),
                self.task.scorer(self.classes, self.device),
                self.judged,
                self.schedule,
                device=self.device,
                dtype=self.dtype,
                step_turn=self.step_turn,
            )
        for name, value in scores.items():
            if not math.isfinite(value):
                raise TrialFailed("nan", f"{name} is {value} after {self.epoch} epochs")
        return scores | {"score_s": score_s}


def precision(name: str, device: torch.device) -> torch.dtype:
    """The number format of a schedule's `precision`; auto is fp32 on a CPU, on a GPU bf16, or fp16 where it lacks that."""
    if name == "auto":
        name = "fp32" if device.type != "cuda" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
