"""Accuracies on a scale on which equal steps mean equally much: close together near the best, and failures not endlessly far."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Warp:
    """y -> -log(1 + (best - y) / scale), standardised; more is better. An accuracy of a tenth of the others' is a failure like one
    of a quarter: on a linear scale such trainings would drown the differences that matter."""

    best: float
    scale: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: np.ndarray, *, least: float = 0.0) -> "Warp":
        """Fitted to readings; `least`: a lower bound on the scale, where few readings do not tell it."""
        best = float(values.max())
        scale = max(best - float(np.median(values)), least, 1e-9 * max(1.0, abs(best)))
        raw = cls(best, scale, 0.0, 1.0)(values)
        return cls(best, scale, float(raw.mean()), max(float(raw.std()), 0.3))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return (-np.log1p(np.maximum(self.best - values, -0.9 * self.scale) / self.scale) - self.mean) / self.deviation

    def back(self, warped: np.ndarray) -> np.ndarray:
        return self.best - self.scale * np.expm1(-np.clip(warped * self.deviation + self.mean, -20, 20))
