"""The training schedule: how far, on how much, at what size a candidate is trained. The values are in conf/schedule/."""

import math
import os
from dataclasses import dataclass, field

from timm.optim import list_optimizers

from registry import nearest

PRECISIONS = ["auto", "fp32", "bf16", "fp16"]
LR_SCHEDULES = ["poly", "cosine", "constant"]
KEEPS = ["last", "best"]
BASELINE = "baseline"
"""`teacher=baseline`: candidates learn from the space's baseline, trained by the same schedule and seed."""

SIDE = 32
"""Image sides drawn while training are multiples of it: the coarsest stride of the networks that vary them."""

BOUNDS = {
    "image_size": (1, math.inf),
    "batch_size": (1, math.inf),
    "decoder_lr_factor": (0, math.inf),
    "backbone_lr_factor": (0, math.inf),
    "weight_decay": (0, math.inf),
    "lr_power": (0, math.inf),
    "min_lr": (0, math.inf),
    "warmup_steps": (0, math.inf),
    "warmup_part": (0, 0.5),
    "warmup_power": (1, 4),
    "opening": (0, 0.9),
    "closing": (0, 0.9),
    "clip_norm": (0, math.inf),
    "ema": (0, 0.999999),
    "ema_span": (0, 1),
    "ema_ramp": (0, 1),
    "class_balance": (0, 1),
    "smoothing": (0, 0.999999),
    "flip": (0, 1),
    "jitter": (0, 1),
    "randaugment": (0, 10),
    "erasing": (0, 1),
    "mixup": (0, math.inf),
    "cutmix": (0, math.inf),
    "mosaic": (0, 1),
    "degrees": (0, 180),
    "shear": (0, 44),
    "translate": (0, 1),
    "drop_path": (0, 1),
    "norm_momentum": (0, 1),
    "validate_every": (0, math.inf),
    "threads": (0, 1024),
    "workers": (0, 1024),
}


@dataclass(frozen=True)
class Distill:
    """What the teacher's say weighs in the loss, beside 1 for the task's own; without a teacher it says nothing.

    `logits` weighs the distance from the teacher's output, softened by `temperature` where it is chances, `features` the distance
    from the maps inside of it. Sources: arXiv 1503.02531, arXiv 1412.6550
    """

    logits: float = 1.0
    features: float = 0.0
    temperature: float = 2.0

    def __post_init__(self):
        for name in ("logits", "features"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"schedule.distill.{name}: {getattr(self, name)}; expected 0 (off) or more, 1 is usual")
        if not 0.1 <= self.temperature <= 100:
            raise ValueError(f"schedule.distill.temperature: {self.temperature}; expected 0.1 to 100 (1 to 4 is usual)")


@dataclass(frozen=True)
class Schedule:
    """Training shortened by up to four factors (epochs, image size, part of the samples, channels) plus the recipe itself.

    `rungs` are the epochs at which a trial may stop, be scored and later go on: [1, 3] scores after epochs 1 and 3. The learning
    rate's horizon is always the last rung, so a trial that goes on equals one that never stopped. Source of the factors: EcoNAS,
    arXiv 2001.01233
    """

    rungs: list[int] = field(default_factory=lambda: [1, 3])
    image_size: int = 64
    sample_fraction: float = 1.0
    width: float = 0.25

    batch_size: int = 16
    optimizer: str = "adamw"
    lr: float = 1e-3
    decoder_lr_factor: float = 1.0
    backbone_lr_factor: float = 1.0
    weight_decay: float = 0.01
    lr_schedule: str = "poly"
    lr_power: float = 1.0
    min_lr: float = 0.0
    warmup_steps: int = 0
    warmup_part: float = 0.0  # or this part of all steps, where that is more
    warmup_power: float = 1.0  # of the warm-up's rise: 1 is a line, 2 the parabola of detectors
    opening: float = 0.0  # part of the epochs, at the start, at least one, that have the task's opening loss
    closing: float = 0.0  # part of the epochs, at the end, at least one: rate at its floor, no mosaic, the task's closing loss
    clip_norm: float = 0.0
    drop_path: float = 0.0  # stochastic depth of the last block; it rises linearly from 0 at the first
    norm_momentum: float = 0.0  # share of a new batch in the batch norms' running mean and variance; 0: as each network has it
    ema: float = 0.0  # decay of the weights' moving average, which is what is scored; 0 is off
    ema_span: float = 0.0  # longest memory of the average as a part of all steps, for short trainings; 0: whatever `ema` says
    ema_ramp: float = 0.0  # part of all steps in which the decay rises by 63 %, as detectors do; 0: timm's warm-up
    class_balance: float = 0.0  # of the loss, where the task's yaml reads it: 0 plain, 1 every class the same
    smoothing: float = 0.0  # of the target, where the task's yaml reads it: the part that all classes share

    flip: float = 0.5
    scale: list[float] = field(default_factory=lambda: [1.0, 1.0])  # factor of a resize, then a crop of image_size
    area: list[float] = field(default_factory=lambda: [1.0, 1.0])  # or: a crop of this part of the area, resized
    jitter: float = 0.0
    jitter_range: list[float] = field(default_factory=lambda: [0.25, 0.25, 0.25, 0.1])
    randaugment: int = 0  # magnitude of two random operations on each image, out of 10; 0 is off
    erasing: float = 0.0  # probability that a box of an image is replaced by noise
    mosaic: float = 0.0  # probability that an image is put together from four; boxes only, as are the next five
    mosaic_scale: list[float] = field(default_factory=lambda: [0.5, 1.5])  # of a mosaic: resize, then turn, shear and shift
    degrees: float = 0.0
    shear: float = 0.0  # degrees
    translate: float = 0.0  # part of the side
    sides: list[int] = field(default_factory=list)  # [smallest, largest] image side, drawn every ten steps; [] is off
    mixup: float = 0.0  # alpha of Beta(alpha, alpha); with cutmix too, each batch takes one of the two
    cutmix: float = 0.0

    keep: str = "last"  # the weights that a rung is scored by and keeps: of its last epoch, or the best so far by the task's metric
    validate_every: int = 0  # epochs from one scoring that `best` chooses from to the next; 0: at the rungs alone
    teacher: str | None = None  # a trained network to learn from: baseline, a trial's directory, weights, or <arch>@<weights>
    distill: Distill = field(default_factory=Distill)

    precision: str = "auto"
    threads: int = 0
    workers: int = 0

    def __post_init__(self):
        self._check_rungs()
        self._check_names()
        self._check_ranges()
        self._check_lists()
        self._check_keeping()

    def epochs(self, rung: int) -> int:
        """Epochs trained by the end of a rung; rung 0 trains nothing."""
        return self.rungs[rung - 1] if rung else 0

    def opens(self, epoch: int) -> bool:
        """Whether an epoch, from 0, is one of the opening ones."""
        return bool(self.opening) and epoch < max(1, round(self.opening * self.rungs[-1]))

    def closes(self, epoch: int) -> bool:
        """Whether an epoch, from 0, is one of the closing ones."""
        return epoch >= self.rungs[-1] - self.closing_epochs

    @property
    def closing_epochs(self) -> int:
        """How many close the training; a single epoch never does."""
        return min(max(1, round(self.closing * self.rungs[-1])), self.rungs[-1] - 1) if self.closing else 0

    def validates(self, epoch: int) -> bool:
        """Whether there is a choice of weights to be made after so many epochs."""
        return self.keep == "best" and (epoch in self.rungs or (self.validate_every > 0 and epoch % self.validate_every == 0))

    def thread_count(self) -> int:
        """Threads of a training step on a CPU: `threads`, or all cores that this process may use."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or cores

    def _check_rungs(self) -> None:
        if not self.rungs or self.rungs[0] < 1 or any(a >= b for a, b in zip(self.rungs, self.rungs[1:], strict=False)):
            raise ValueError(
                f"schedule.rungs: {self.rungs}; expected epochs from 1, each more than the one before, as in [1, 3, 9]"
            )

    def _check_names(self) -> None:
        for name, given, known in (
            ("optimizer", self.optimizer, list_optimizers()),
            ("lr_schedule", self.lr_schedule, LR_SCHEDULES),
            ("precision", self.precision, PRECISIONS),
            ("keep", self.keep, KEEPS),
        ):
            if given not in known:
                raise ValueError(f"schedule.{name}: unknown '{given}'; {nearest(given, known)}")

    def _check_ranges(self) -> None:
        for name, (low, high) in BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"schedule.{name}: {getattr(self, name)}; expected {low} to {high}")
        if self.warmup_part + self.closing >= 1 or self.opening + self.closing > 1:
            raise ValueError(
                f"schedule.closing: {self.closing} of the epochs beside warmup_part {self.warmup_part} and opening {self.opening}; "
                "expected parts that leave some of the training between them"
            )
        if self.min_lr > self.lr:
            raise ValueError(f"schedule.min_lr: {self.min_lr}; expected at most lr, {self.lr}, from which it falls")
        for name in ("sample_fraction", "width", "lr"):
            if not 0 < getattr(self, name) < math.inf or (name == "sample_fraction" and self.sample_fraction > 1):
                raise ValueError(
                    f"schedule.{name}: {getattr(self, name)}; expected more than 0" + " and at most 1" * (name == "sample_fraction")
                )

    def _check_lists(self) -> None:
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                f"schedule.scale: {self.scale}; expected [smallest, largest] factor, as in [0.5, 2.0]; [1, 1] switches it off"
            )
        if len(self.area) != 2 or not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(
                f"schedule.area: {self.area}; expected [smallest, largest] part of the area, as in [0.08, 1]; [1, 1] is off"
            )
        if list(self.area) != [1, 1] and list(self.scale) != [1, 1]:
            raise ValueError(f"schedule.area: {self.area} beside scale {self.scale}; one of the two crops. Set the other to [1, 1]")
        if len(self.mosaic_scale) != 2 or not 0 < self.mosaic_scale[0] <= self.mosaic_scale[1]:
            raise ValueError(f"schedule.mosaic_scale: {self.mosaic_scale}; expected [smallest, largest] factor, as in [0.5, 1.5]")
        if self.sides and (len(self.sides) != 2 or not 0 < self.sides[0] <= self.sides[1] or any(s % SIDE for s in self.sides)):
            raise ValueError(
                f"schedule.sides: {self.sides}; expected [smallest, largest] in multiples of {SIDE}, as in [320, 640]; [] is off"
            )
        if len(self.jitter_range) != 4 or min(self.jitter_range) < 0 or self.jitter_range[3] > 0.5:
            raise ValueError(
                f"schedule.jitter_range: {self.jitter_range}; expected [brightness, contrast, saturation, hue], hue at most 0.5"
            )

    def _check_keeping(self) -> None:
        if self.validate_every and self.keep != "best":
            raise ValueError(
                f"schedule.validate_every: {self.validate_every} beside keep={self.keep}, which chooses nothing between rungs; "
                "set it to 0, or keep=best"
            )
        if self.teacher is not None and not self.teacher.strip():
            raise ValueError("schedule.teacher: given ''; allowed: null (none), baseline, or where trained weights are")
        if self.teacher and not (self.distill.logits or self.distill.features):
            raise ValueError(
                f"schedule.distill: logits and features are both 0 beside teacher={self.teacher}; nothing of it would be learned. "
                "Give one of them a weight, or set teacher=null"
            )
