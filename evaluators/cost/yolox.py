"""Operations under the convention of YOLOX's published table."""

from typing import Any

import torch
from torch import nn

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally, convolution, linear


def _convolution(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    return convolution(module, args, y) + (y.numel() if module.bias is not None else 0)


def _batch_norm(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    return 2 * args[0].numel()


RULES = {nn.Conv2d: _convolution, nn.Linear: linear, nn.BatchNorm2d: _batch_norm}

flops_yolox_g = COUNTERS.register("flops_yolox_g")(Tally(0.5e9, modules=RULES))
"""1e9 'FLOPs' as YOLOX prints them: twice what thop 0.0.31 calls MACs, that is 2 * (multiply-adds of convolutions and linear
layers + the convolutions' bias additions + 2 for each element of a batch norm). Activations, poolings, sums and nearest
upsampling are free. Later versions of thop count otherwise (`macs_thop_g`).

Published figures of YOLOX are for 80 classes, those of its variants on VOC for 20: YOLOX-Nano at 416x416 reads 1.0792 and
1.0516. For a network of convolutions alone this equals YOLOX's own way, a reading at 64x64 scaled by area. To compare with
published tables, not to rank architectures by."""
