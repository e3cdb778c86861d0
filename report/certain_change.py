"""A change as it is told: the number, how sure it is, and the verdict in words that claim no more than the interval does."""

from collections.abc import Mapping
from dataclasses import dataclass

from report.figures import figure, signed
from search.effects import Effect, Ratio

MARGIN_POINTS, MARGIN_PERCENT = 0.5, 1.0
"""A loss below this is none that matters, in points of a share, else in percent: where the plan asks for no width (`until`)."""

WORDS = {
    "helps": "the deciding measurement is better, by Holm's p-value over the family",
    "hurts": "it is worse, by Holm's p-value over the family",
    "costs nothing": "cheaper (the latency's whole interval; where nothing was timed, fewer MACs or parameters), and the interval"
    " leaves no loss open that is larger than the margin",
    "no difference that matters": "the whole interval lies within the margin on both sides, and it is not cheaper",
    "no difference shown": "neither is shown: the interval says how large a loss and a gain are still possible",
    "no interval": "measured, but one seed alone tells nothing of chance",
    "faster": "nothing trained decides; the latency's whole interval is below the reference's",
    "slower": "nothing trained decides; the latency's whole interval is above the reference's",
    "cheaper": "nothing trained or timed decides; fewer MACs, or as many and fewer parameters",
    "dearer": "nothing trained or timed decides; more MACs, or as many and more parameters",
    "not known": "nothing to compare was measured yet",
}
"""Every verdict, with exactly what it means."""


@dataclass(frozen=True)
class Change:
    """A change of one measurement, in the units it is shown in: `unit` is points for shares, else the measurement's own.
    low, high: the interval in that unit; percent, percent_low, percent_high: the same against what it is compared with (of latency:
    of readings in turns). exact: counted, so that there is no interval. effect: the statistics behind a trained one."""

    name: str
    absolute: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    percent: float | None = None
    percent_low: float | None = None
    percent_high: float | None = None
    exact: bool = False
    effect: Effect | None = None

    @classmethod
    def trained(cls, name: str, effect: Effect, base: float) -> "Change":
        share = figure(name).share
        factor, unit = (100.0, "points") if share else (1.0, figure(name).unit)
        assert effect.mean is not None
        shown = [None if value is None else value * factor for value in (effect.mean, effect.low, effect.high)]
        relative = [
            None if value is None or not base else value / abs(base) * 100 for value in (effect.mean, effect.low, effect.high)
        ]
        return cls(name, shown[0], unit, shown[1], shown[2], *relative, effect=effect)

    @classmethod
    def counted(cls, name: str, own: float, base: float) -> "Change":
        return cls(name, own - base, figure(name).unit, percent=(own / base - 1) * 100 if base else None, exact=True)

    @classmethod
    def timed(cls, ratio: Ratio | None, base_ms: float | None) -> "Change | None":
        """Of latency: percent is the ratio's, milliseconds are that percentage of what it is compared with took."""
        if ratio is None:
            return None
        relative = [None if value is None else (value - 1) * 100 for value in (ratio.ratio, ratio.low, ratio.high)]
        ms = [None if value is None or base_ms is None else value / 100 * base_ms for value in relative]
        return cls("latency_ms", ms[0], "ms", ms[1], ms[2], *relative)

    @property
    def sure(self) -> bool:
        """Whether it has an interval or needs none."""
        return self.exact or self.percent_low is not None or self.low is not None

    @property
    def sign(self) -> int:
        """1: more, -1: less, beyond the interval; 0: neither is shown. Of latency recorded without an interval: as recorded."""
        low, high = (self.low, self.high) if self.name != "latency_ms" else (self.percent_low, self.percent_high)
        if low is None or high is None:
            middle = (self.absolute if self.exact else self.percent) if self.effect is None else None
            return 0 if not middle else 1 if middle > 0 else -1
        return 1 if low > 0 else -1 if high < 0 else 0

    def number(self, value: float | None) -> str:
        """A value of this change, with its sign and enough digits."""
        if value is None:
            return "-"
        digits = 2 if self.unit == "points" or abs(value) >= 1 else 3
        return f"{value:+.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"

    @property
    def text(self) -> str:
        """`+1.2 points [+0.4, +2.0]`; of latency and of what is counted the percentage: `-12.0 % [-14.0, -10.1]`."""
        if self.effect is None:
            if self.percent is None:
                return self.number(self.absolute) + (f" {self.unit}" if self.unit else "")
            ends = "" if self.percent_low is None else f" [{self.percent_low:+.1f}, {self.percent_high:+.1f}]"
            return signed(self.percent, "%") + ends
        ends = "" if self.low is None else f" [{self.number(self.low)}, {self.number(self.high)}]"
        return f"{self.number(self.absolute)} {self.unit}".rstrip() + ends


def judged(
    changes: Mapping[str, Change], goal: str | None, better: Mapping[str, str], *, level: float, until: float | None, family: int
) -> tuple[str, str]:
    """The verdict, a word of WORDS, and the sentence behind it."""
    change = changes.get(goal) if goal else None
    if change is None:
        return _free(changes) if goal is None else ("not known", _latency_words(changes))
    effect, sign = change.effect, 1 if better[change.name] == "max" else -1
    assert effect is not None
    if effect.low is None:
        return "no interval", _joined("one seed: chance is not told from effect", _latency_words(changes))
    worst, best = sorted((sign * change.low, sign * change.high))  # gains are positive from here on
    margin = until or (MARGIN_POINTS if change.unit == "points" else MARGIN_PERCENT)
    scale = (
        1.0 if until or change.unit == "points" or not change.percent or not change.absolute else change.percent / change.absolute
    )
    loss, gain = max(0.0, -worst), max(0.0, best)
    shown = effect.p_holm is not None and effect.p_holm < 1 - level
    if shown:
        word = "helps" if sign * effect.mean > 0 else "hurts"
        told = f"between {_span(change, worst, best)}"
    elif loss * scale <= margin and cheaper(changes):
        word, told = "costs nothing", f"no loss above {_amount(change, loss)} is left open"
    elif max(loss, gain) * scale <= margin:
        word, told = "no difference that matters", f"at most {_amount(change, max(loss, gain))} either way"
    else:
        word, told = "no difference shown", _open(change, loss, gain)
        if worst > 0 or best < 0:
            told = f"alone its interval is on one side of 0, but among {family} arms chance does that too; {told}"
    own = "" if effect.pooled else "its seeds differ more than the other arms', so its interval is its own"
    return word, _joined(told, own if not effect.pooled and family > 1 else "", _latency_words(changes))


def _open(change: Change, loss: float, gain: float) -> str:
    """What the interval leaves possible."""
    ends = [f"a {word} of up to {_amount(change, value)}" for word, value in (("loss", loss), ("gain", gain)) if value > 0]
    return " and ".join(ends) + (" are" if len(ends) > 1 else " is") + " left open"


def cheaper(changes: Mapping[str, Change]) -> bool:
    """Surely faster; where nothing was timed, fewer MACs, or as many and fewer parameters."""
    if "latency_ms" in changes:
        return changes["latency_ms"].sign < 0
    return _cost_sign(changes) < 0


def _cost_sign(changes: Mapping[str, Change]) -> int:
    return next((sign for name in ("macs_g", "params_m") if name in changes and (sign := changes[name].sign)), 0)


def _free(changes: Mapping[str, Change]) -> tuple[str, str]:
    """The verdict where no objective is trained."""
    if "latency_ms" in changes:
        sign = changes["latency_ms"].sign
        return ("faster" if sign < 0 else "slower" if sign > 0 else "no difference shown"), _latency_words(changes)
    sign = _cost_sign(changes)
    return ("cheaper" if sign < 0 else "dearer" if sign > 0 else "not known"), ""


def _latency_words(changes: Mapping[str, Change]) -> str:
    change = changes.get("latency_ms")
    if change is None or change.percent is None:
        return ""
    if change.sign == 0:
        return "neither faster nor slower is shown"
    return f"{abs(change.percent):.1f} % {'faster' if change.sign < 0 else 'slower'}" + ("" if change.sure else " as recorded")


def _span(change: Change, worst: float, best: float) -> str:
    gain = best > 0 and worst >= 0
    small, large = sorted((abs(worst), abs(best)))
    return f"{change.number(small).lstrip('+')} and {_amount(change, large)} {'better' if gain else 'worse'}"


def _amount(change: Change, value: float) -> str:
    return f"{change.number(abs(value)).lstrip('+')} {change.unit}".rstrip()


def _joined(*told: str) -> str:
    return "; ".join(filter(None, told))
