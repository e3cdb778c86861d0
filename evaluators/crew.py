"""Training one network in several processes at a time: what they must agree on. Each trains on its share of every batch.

Losses and gradients are the sums of the processes' own, each weighted by its part of the batch, and batch norms take their
statistics over all of it: what is trained is what one process would train, as far as a loss is a mean over images.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors
from torch.nn import functional as F

Turn = Callable[[], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True)
class Crew:
    """One of `size` processes that train together, the one of number `rank`. Number 0 leads: it scores, saves and tells.

    All of them call the methods that speak of all, in the same order. A crew of one waits for nobody and changes nothing.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, batch: Sequence[int]) -> Sequence[int]:
        """The part of a batch that is trained on here; of fewer samples than processes everybody takes all."""
        if len(batch) < self.size:
            return batch
        start, stop = (len(batch) * number // self.size for number in (self.rank, self.rank + 1))
        return batch[start:stop]

    def total(self, value: float) -> float:
        """The sum over all processes, the same bits in each."""
        if self.size == 1:
            return value
        summed = torch.tensor(value, dtype=torch.float64)  # on the CPU: what is summed here was read from the device already
        dist.all_reduce(summed)
        return summed.item()

    @contextlib.contextmanager
    def turn(self, own: Turn) -> Iterator[None]:
        """A piece of work of all processes, each in its own turn on its device, which ends when all have done their part.

        Turns are taken one after another: two crews that took them in different orders could wait for each other for ever.
        """
        if self.size == 1:
            with own():
                yield
            return
        with contextlib.ExitStack() as held:
            for number in range(self.size):
                if number == self.rank:
                    held.enter_context(own())
                self.total(0.0)
            yield
            self.total(0.0)

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """What is done inside concerns this process alone, whatever others do: metrics of torchmetrics would wait for all of them
        as soon as torch knows of any."""
        if self.size == 1:
            yield
            return
        whole, dist.GroupMember.WORLD = dist.GroupMember.WORLD, None
        try:
            yield
        finally:
            dist.GroupMember.WORLD = whole

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give each parameter the sum of the processes' gradients; one that none of them used keeps none."""
        if self.size == 1:
            return
        used = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.uint8)
        dist.all_reduce(used, dist.ReduceOp.MAX)
        members = [parameter for parameter, here in zip(parameters, used.tolist(), strict=True) if here]
        for parameter in members:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in members]
        whole = _flatten_dense_tensors(gradients)
        dist.all_reduce(whole)
        for gradient, summed in zip(gradients, _unflatten_dense_tensors(whole, gradients), strict=True):
            gradient.copy_(summed)

    def joined(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with its batch norms over the whole batch; names and numbers of its state stay."""
        if self.size == 1:
            return network
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        if device.type == "cpu":
            for part in network.modules():
                if isinstance(part, nn.SyncBatchNorm):
                    part.__class__ = SyncBatchNormCPU
        return network


ALONE = Crew()


class Summed(torch.autograd.Function):
    """The sum of all processes' tensors, in each: so the gradients of all go back to each."""

    @staticmethod
    def forward(context: Any, tensor: torch.Tensor) -> torch.Tensor:
        summed = tensor.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return Summed.forward(context, gradient)


class SyncBatchNormCPU(nn.SyncBatchNorm):
    """torch's is for GPUs alone. Shapes: (B, C, ...) -> (B, C, ...)."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return F.batch_norm(maps, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        across = [0, *range(2, maps.ndim)]
        count = Summed.apply(maps.new_tensor(maps.numel() // maps.shape[1]))
        mean = Summed.apply(maps.sum(across)) / count
        centred = maps - on_channels(mean, maps)
        variance = Summed.apply(centred.square().sum(across)) / count
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        normalised = centred * on_channels((variance + self.eps).rsqrt(), maps)
        return normalised * on_channels(self.weight, maps) + on_channels(self.bias, maps) if self.affine else normalised

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        self.num_batches_tracked.add_(1)
        part = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, part)
        self.running_var.lerp_(variance, part)


def on_channels(values: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """(C,) -> (C, 1, ...), to be broadcast over maps (B, C, ...)."""
    return values.view(-1, *(1,) * (maps.ndim - 2))
