"""Operations under the convention of YOLOX's published table."""

import torch
from torch import nn

from evaluators.cost import COUNTERS
from evaluators.cost._modules import convolution, counted, linear


@COUNTERS.register("flops_yolox_g")
def flops_yolox_g(model: nn.Module, image: torch.Tensor) -> float:
    """1e9 'FLOPs' as YOLOX prints them: twice what thop 0.0.31 calls MACs, that is 2 * (multiply-adds of convolutions and linear
    layers + the convolutions' bias additions + 2 for each element of a batch norm). Activations, poolings, sums and nearest
    upsampling are free. Later versions of thop count otherwise (`macs_thop_g`).

    Published figures of YOLOX are for 80 classes, those of its variants on VOC for 20: YOLOX-Nano at 416x416 reads 1.0792 and
    1.0516. For a network of convolutions alone this equals YOLOX's own way, a reading at 64x64 scaled by area. To compare with
    published tables, not to rank architectures by."""
    return 2 * counted(model, image, RULES) / 1e9


def _convolution(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    return convolution(module, x, y) + (y.numel() if module.bias is not None else 0)


def _batch_norm(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    return 2 * x.numel()


RULES = {nn.Conv2d: _convolution, nn.Linear: linear, nn.BatchNorm2d: _batch_norm}
