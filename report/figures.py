"""How figures are written, the same on the console, in tables and in pictures: an entry for each measurement a reader meets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What a measurement is called, its unit and what it means. `share`: between 0 and 1, its change is also told in points.
    `compared`: a change against the baseline means something."""

    label: str
    unit: str = ""
    digits: int | None = None  # after the point; None is three significant ones
    better: str = "min"
    meaning: str = ""
    share: bool = False
    compared: bool = True

    @property
    def heading(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float | int | str | None) -> str:
        """The value with its unit; a dash where there is none."""
        if value is None:
            return "-"
        if isinstance(value, str):
            return value
        return f"{self.number(value)} {self.unit}".rstrip()

    def number(self, value: float) -> str:
        if self.digits is not None:
            return f"{value:.{self.digits}f}"
        return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:#.3g}".rstrip(".")


KNOWN = {
    "params_m": Figure("Parameters", "M", 2, meaning="Parameters that the network reads when it runs, in millions"),
    "macs_g": Figure("MACs", "G", 2, meaning="Multiply-adds of one forward pass on the deployed input, attention included"),
    "macs_fvcore_g": Figure("MACs, fvcore", "G", 2, meaning="The same pass as fvcore counts it; published tables differ"),
    "macs_ptflops_g": Figure("MACs, ptflops", "G", 2, meaning="The same pass as ptflops counts it"),
    "macs_thop_g": Figure("MACs, thop", "G", 2, meaning="The same pass by thop's convention: convolutions and linear layers only"),
    "flops_yolox_g": Figure(
        "FLOPs, YOLOX's", "G", 3, meaning="As YOLOX's tables count them: twice MACs and biases, batch norms at four per element"
    ),
    "attention_macs_g": Figure("MACs of attention", "G", 2, meaning="Multiply-adds of attention's two products, a part of MACs"),
    "layer_macs_g": Figure("MACs of layers", "G", 2, meaning="Multiply-adds of convolutions and linear layers, a part of MACs"),
    "mixing_macs_g": Figure("MACs of mixing", "G", 2, meaning="Multiply-adds between tokens, the rest of MACs"),
    "weight_traffic_mb": Figure("Weights moved", "MB", 0, meaning="Bytes of weights that one forward pass reads"),
    "activation_traffic_mb": Figure("Maps moved", "MB", 0, meaning="Bytes of maps that one forward pass reads and writes"),
    "pool_adds_g": Figure("Pooling", "G adds", 3, meaning="Additions of poolings, which no count of MACs sees"),
    "norm_elements_m": Figure("Norms", "M", 1, meaning="Elements that normalisations go over, in millions"),
    "frozen_params_m": Figure("Frozen", "M", 2, meaning="Parameters that training leaves as they are, in millions"),
    "memory_mb": Figure("Memory", "MB", 0, meaning="Peak memory of one forward pass"),
    "latency_ms": Figure("Latency", "ms", meaning="Median time of one forward pass of batch 1, in turns with the baseline"),
    "latency_low_ms": Figure("Latency, low", "ms", meaning="Low end of the interval of the median"),
    "latency_high_ms": Figure("Latency, high", "ms", meaning="High end of the interval of the median"),
    "latency_ratio": Figure(
        "Latency / baseline", "", 3, meaning="As a multiple of the baseline's, read in turns, so that drift cancels"
    ),
    "baseline_latency_ms": Figure("Baseline beside it", "ms", meaning="The baseline's latency in that same measurement"),
    "miou": Figure("mIoU", "", 3, "max", "Mean intersection over union of the classes, on the validation set", True),
    "pixel_accuracy": Figure("Pixel accuracy", "", 3, "max", "Share of labelled pixels that are right", True),
    "map50": Figure("mAP@.5", "", 3, "max", "Mean average precision at IoU 0.5 by COCO's rules, on the validation set", True),
    "map50_95": Figure("mAP@.5:.95", "", 3, "max", "The same, mean over IoU 0.5 to 0.95", True),
    "map50_voc07": Figure("mAP@.5, VOC07", "", 3, "max", "Mean average precision at IoU 0.5 by the rules of VOC 2007", True),
    "map50_95_voc07": Figure("mAP@.5:.95, VOC07", "", 3, "max", "The same, mean over IoU 0.5 to 0.95", True),
    "accuracy": Figure("Accuracy", "", 2, "max", "As a table recorded it, in the table's unit"),
    "mae": Figure("MAE", "", 2, meaning="Mean absolute error of the count of an image, on the validation set"),
    "mse": Figure("MSE", "", 2, meaning="Root of the mean squared error of the count, which counting tables call MSE"),
    "top1": Figure("Top-1", "", 3, "max", "Share of images whose highest score is the right class, on the validation set", True),
    "top5": Figure("Top-5", "", 3, "max", "Share of images with the right class among the five highest scores", True),
    "init_percent": Figure("Begun with", "%", 0, "max", "Part of the parameters that began with trained weights", compared=False),
    "inherited_epochs": Figure("Inherited", "epochs", 0, meaning="Epochs behind the weights that it began with", compared=False),
    "loss": Figure("Loss", "", 3, meaning="Loss on the validation set"),
    "train_loss": Figure("Training loss", "", 3, meaning="Mean loss of the last epoch's training batches"),
    "measure_s": Figure("Measuring", "s", meaning="Time until cost and latency were known, waiting included", compared=False),
    "train_s": Figure("Training", "s", meaning="Time spent training this rung"),
}

LEADING = ("params_m", "macs_g", "latency_ms", "init_percent", "inherited_epochs")
"""What the tables lead with where any network has it, whatever the objectives are."""

UNITS = {"_ms": "ms", "_mb": "MB", "_m": "M", "_g": "G", "_s": "s"}


def figure(name: str) -> Figure:
    """How measurement `name` is written; one that is not known keeps its name, and takes the unit that ends it."""
    if name in KNOWN:
        return KNOWN[name]
    unit = next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")
    ending = next((ending for ending in UNITS if name.endswith(ending)), "")
    return Figure(name.removesuffix(ending).replace("_", " "), unit)


def percent(change: float | None) -> str:
    """A signed change in percent; a dash where it is not known."""
    return "-" if change is None else signed(change, "%")


def signed(change: float, unit: str) -> str:
    """A change with its sign; none where it rounds to nothing."""
    return f"{change:+.1f} {unit}" if abs(change) >= 0.05 else f"0.0 {unit}"


def chance(probability: float | None) -> str:
    """A probability that was drawn, not counted: never written as certain."""
    if probability is None:
        return "-"
    return "< 1 %" if probability < 0.01 else "> 99 %" if probability > 0.99 else f"{probability:.0%}".replace("%", " %")
