"""Elements that normalisation goes over."""

from typing import Any

import torch
from torch.nn import functional as F

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally


def _elements(x: torch.Tensor, *args: Any, **options: Any) -> int:
    return x.numel()


NORMS = (F.layer_norm, F.batch_norm, F.group_norm, F.instance_norm, F.rms_norm)

norm_elements_m = COUNTERS.register("norm_elements_m")(Tally(1e6, functions=dict.fromkeys(NORMS, _elements)))
"""1e6 elements of the maps that layer, batch, group, instance and RMS norms read. Tools charge between 0 and 5 operations for
each, by the norm's kind and how it is written; here each is one, whatever the kind."""
