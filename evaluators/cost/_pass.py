"""One forward pass on the meta device, watched by every counter at once: a network runs once however much is counted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from evaluators.cost._shapes import shaped

FunctionRule = Callable[..., float]
"""What a call costs, from the arguments of the function that was called."""
ModuleRule = Callable[[nn.Module, tuple[Any, ...], torch.Tensor], float]
"""What a module costs that makes the tensor of its arguments."""
OperatorRule = Callable[[tuple[Any, ...], Any], float]
"""What an operator of aten costs, from its arguments and its result."""


class Watch:
    """What one counter gathers during one pass. Attention is a function here, never the operators it may be made of."""

    functions: Mapping[Callable[..., Any], FunctionRule] = {}
    modules: Mapping[type[nn.Module], ModuleRule] = {}
    operators: Mapping[Any, OperatorRule] = {}
    total: float = 0

    def operator(self, operator: Any, args: tuple[Any, ...], result: Any) -> None:
        """Called for every operator; only counters that need more than `operators` override it."""

    def value(self) -> float:
        return self.total


class Counter(ABC):
    """A counter that shares its pass with others; called alone, it runs one for itself."""

    @abstractmethod
    def watch(self, model: nn.Module, image: torch.Tensor) -> Watch: ...

    def __call__(self, model: nn.Module, image: torch.Tensor) -> float:
        return run({"": self}, model, image)[""]


@dataclass(frozen=True)
class Tally(Counter):
    """Adds up what rules say of the functions that a network calls (from modules or directly), of its modules (the first type
    that a module is of counts) and of aten's operators below; told in units of `unit`."""

    unit: float
    functions: Mapping[Callable[..., Any], FunctionRule] = field(default_factory=dict)
    modules: Mapping[type[nn.Module], ModuleRule] = field(default_factory=dict)
    operators: Mapping[Any, OperatorRule] = field(default_factory=dict)

    def watch(self, model: nn.Module, image: torch.Tensor) -> Watch:
        return _Sum(self)


class _Sum(Watch):
    def __init__(self, tally: Tally):
        self.functions, self.modules, self.operators, self.unit = tally.functions, tally.modules, tally.operators, tally.unit

    def value(self) -> float:
        return self.total / self.unit


def run(counters: Mapping[str, Counter], model: nn.Module, image: torch.Tensor) -> dict[str, float]:
    """The readings of these counters, all from one pass without gradients."""
    watches = {name: counter.watch(model, image) for name, counter in counters.items()}
    watched(list(watches.values()), model, image)
    return {name: watch.value() for name, watch in watches.items()}


def watched(watches: list[Watch], model: nn.Module, image: torch.Tensor) -> None:
    """Run the network once, without gradients, before all of them."""
    with torch.no_grad(), _hooked(model, watches), _Operators(watches), _Functions(watches):
        model(image)


@contextmanager
def _hooked(model: nn.Module, watches: list[Watch]) -> Iterator[None]:
    """Every module that some rule is for tells of its calls."""
    kinds: dict[type, list[tuple[Watch, ModuleRule]]] = {}
    handles = []
    for module in model.modules():
        kind = type(module)
        if kind not in kinds:
            kinds[kind] = [(watch, rule) for watch in watches if (rule := _rule(kind, watch.modules))]
        if kinds[kind]:
            handles.append(module.register_forward_hook(_listener(kinds[kind])))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _rule(kind: type, rules: Mapping[type[nn.Module], ModuleRule]) -> ModuleRule | None:
    return next((rule for known, rule in rules.items() if issubclass(kind, known)), None)


def _listener(rules: list[tuple[Watch, ModuleRule]]) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
        for watch, rule in rules:
            watch.total += rule(module, args, output)

    return hook


class _Functions(TorchFunctionMode):
    """Tells of the functions that are called, not of those that they call in turn; stands in for fused attention."""

    def __init__(self, watches: list[Watch]):
        super().__init__()
        self._rules: dict[Any, list[tuple[Watch, FunctionRule]]] = {}
        for watch in watches:
            for function, rule in watch.functions.items():
                self._rules.setdefault(function, []).append((watch, rule))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for watch, rule in self._rules.get(func, ()):
            watch.total += rule(*args, **kwargs)
        return _fused_attention(*args, **kwargs) if func is F.scaled_dot_product_attention else func(*args, **kwargs)


class _Operators(TorchDispatchMode):
    """Tells of aten's operators, whose results are made by `shaped`."""

    def __init__(self, watches: list[Watch]):
        super().__init__()
        self._every = [watch for watch in watches if type(watch).operator is not Watch.operator]
        self._rules: dict[Any, list[tuple[Watch, OperatorRule]]] = {}
        for watch in watches:
            for operator, rule in watch.operators.items():
                self._rules.setdefault(operator, []).append((watch, rule))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = shaped(func, args, kwargs or {})
        for watch, rule in self._rules.get(func, ()):
            watch.total += rule(args, result)
        for watch in self._every:
            watch.operator(func, args, result)
        return result


def _fused_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
    """What the fused kernel returns: (B, heads, N, head dim) in (B, N, heads, head dim) memory; the meta device would write the
    scores out."""
    if key.shape[-1] != query.shape[-1] or key.shape[-2] != value.shape[-2]:
        return F.scaled_dot_product_attention(query, key, value, *args, **options)  # which says what is wrong
    if query.dim() != 4:
        return query.new_empty(*query.shape[:-1], value.shape[-1])
    return query.new_empty(query.shape[0], query.shape[2], query.shape[1], value.shape[3]).transpose(1, 2)


def products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> int:
    """Multiply-adds of attention's two products, for the arguments of `scaled_dot_product_attention`: query (.., N, d), key
    (.., M, d), value (.., M, e)."""
    scores = prod(query.shape[:-1]) * key.shape[-2]
    return scores * query.shape[-1] + scores * value.shape[-1]


def convolution(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    """Multiply-adds of a convolution without its bias."""
    return y.numel() * module.in_channels // module.groups * prod(module.kernel_size)


def linear(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    """Multiply-adds of a linear layer without its bias."""
    return y.numel() * module.in_features
