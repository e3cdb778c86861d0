"""A network as an ONNX file, checked in ONNX Runtime against the eager network before anything else may use it.

torch.export captures the graph and torch.onnx writes it, in opset 19, the first that has deformable convolutions. The image's size
is fixed, as it is part of what a network costs; the batch's axis is dynamic unless its size is given (a runtime plans better for a
size that it knows).
"""

import contextlib
import copy
import importlib.util
import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from evaluators.formats._depending import depending, last_own
from evaluators.formats.agreement import agreed, eager, probe

OPSET = 19
INPUT = "image"
NEEDS = ("onnx", "onnxscript", "onnxruntime")
"""Packages beyond torch that writing and checking a file takes."""

LARGEST = 1_500_000_000
"""Bytes of weights that a file may hold itself (protobuf ends at 2 GiB); beyond it they lie beside it in <name>.data."""

OPERATOR = re.compile(r"\b((?:aten|prims|torchvision)(?:\.|::)\w+)")
UNLOADED = (
    re.compile(r"implementation for (?P<operator>\w+)\(\d+\) node with name '(?P<node>[^']+)'"),
    re.compile(r'Node, \("(?P<node>[^"]+)", (?P<operator>\w+)'),
    re.compile(r"(?:Node \((?P<node>[^)]+)\) )?Op \((?P<operator>\w+)\)"),
)
"""How ONNX Runtime tells which node it would not load."""

FULL = re.compile(r"bad_alloc|bad allocation|failed to allocate memory", re.IGNORECASE)
"""How it tells that memory ran out."""


class NotExportable(ValueError):
    """A network that cannot be written in a format.

    operator: which one has no counterpart ('' where the graph could not be captured). where: the module that it stands in, by its
    dotted name, or the line of code ('' where neither is known). form: what it was to be written as.
    """

    def __init__(self, why: str, *, operator: str = "", where: str = "", form: str = "ONNX"):
        self.operator, self.where, self.why = operator, where, why
        place = f" in {where}" if where else ""
        super().__init__(f"{operator or 'the network'}{place} cannot be written as {form}: {why}")


def missing() -> list[str]:
    """Those of the packages that are not installed."""
    return [name for name in NEEDS if importlib.util.find_spec(name) is None]


def export_onnx(module: nn.Module, input_size: Sequence[int], path: Path, *, batch_size: int | None = None) -> float:
    """Write `module` for images of (batch, 3, *input_size) to `path`; returns how far its outputs are from the eager network's.

    batch_size: None is any; the check then runs another size than was traced, so that one written into the graph is found here.
    NotExportable: an operator has no counterpart. Disagrees: the file computes something else, by more than TOLERANCE of the
    largest value. Where either is raised no file is left.
    """
    if lacking := missing():
        raise ValueError(f"ONNX: {', '.join(lacking)} not installed; pip install 'paredown[onnxruntime]'")
    network = copy.deepcopy(module).eval().to(device="cpu", dtype=torch.float32)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    try:
        with quiet():
            program = captured(network, input_size, batch_size)
            _written(program, path, beside=weights > LARGEST)
        image = probe(input_size, batch_size or 3)
        try:
            outputs = run_onnx(path, image.numpy())
        except NotExportable as error:
            where = _module(program, error.where.removeprefix("node_"))  # as the file calls a node of the graph
            raise NotExportable(error.why, operator=error.operator, where=where) from error
        return agreed(eager(module, image), outputs)
    except (ValueError, MemoryError):
        path.unlink(missing_ok=True)
        raise


def run_onnx(path: Path, image: numpy.ndarray) -> list[numpy.ndarray]:
    """The outputs of a file on the CPU, as ONNX Runtime computes them."""
    return list(open_session(path).run(None, {INPUT: image}))


def open_session(path: Path, options: Any = None, providers: Sequence[Any] = ("CPUExecutionProvider",)) -> Any:
    """A file as ONNX Runtime loads it. NotExportable where it does not; `where` is then the node's name. MemoryError where there
    was no room for it."""
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # the runtime's own types, one for each of its status codes
        text = (str(error) or type(error).__name__).splitlines()[0]
        if FULL.search(text):
            raise MemoryError(f"ONNX Runtime: {text}") from error  # of this moment, not of the network
        named = next(filter(None, (pattern.search(text) for pattern in UNLOADED)), None)
        told = named.groupdict(default="") if named else {"operator": "", "node": ""}
        raise NotExportable(f"ONNX Runtime: {text}", operator=told["operator"], where=told["node"]) from error


def captured(network: nn.Module, input_size: Sequence[int], batch_size: int | None = None) -> ExportedProgram:
    """The network's graph. For any batch it is traced with two images: one would be taken for a constant."""
    dynamic = ({0: Dim("batch", max=4096)},) if batch_size is None else None
    try:
        with torch.no_grad():
            return torch.export.export(network, (probe(input_size, batch_size or 2),), dynamic_shapes=dynamic)
    except (torch.OutOfMemoryError, MemoryError):
        raise  # of this moment, not of the network
    except Exception as error:  # of a dozen private types: what a graph cannot hold is told by each in its own way
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        why = " ".join(lines[:2]) if "Constraints violated" in lines[0] else lines[0]
        line = last_own(traceback.extract_tb(error.__traceback__))
        told = "ata-dependent" in str(error)  # another failure would be blamed on an operator that a graph does hold
        if told and (cause := depending(network, probe(input_size, batch_size or 2), line)) is not None:
            raise NotExportable(f"{cause.why} (torch: {why})", operator=cause.operator, where=cause.where) from error
        where = f"{Path(line.filename).name}:{line.lineno} ({line.line})" if line else ""  # `pet.py:76 (keep = mask.nonzero())`
        raise NotExportable(why, where=where) from error


def _written(program: ExportedProgram, path: Path, *, beside: bool) -> None:
    try:
        with torch.no_grad():
            found = torch.onnx.export(program, dynamo=True, opset_version=OPSET, input_names=[INPUT], verbose=False)
        found.save(str(path), external_data=beside)
    except torch.onnx.OnnxExporterError as error:
        told = list(_causes(error))
        operators = [match[1] for text in reversed(told) if (match := OPERATOR.search(text))]
        operator = operators[0] if operators else ""
        why = told[-1].splitlines()[0]
        raise NotExportable(why, operator=operator, where=_place(program, operator)) from error


def _causes(error: BaseException | None) -> Iterator[str]:
    """What an exception and those behind it say, the first cause last."""
    while error is not None:
        yield str(error).strip() or type(error).__name__
        error = error.__cause__


def _place(program: ExportedProgram, operator: str) -> str:
    """The module that calls the operator first. It may have been taken apart since: a.special_x is written as b.x."""
    name = re.split(r"\.|::", operator)[-1]
    calls = (node for node in program.graph.nodes if name and node.op == "call_function" and name in str(node.target))
    return next(filter(None, map(_stands_in, calls)), "")


def _module(program: ExportedProgram, name: str) -> str:
    """The module that a node of the graph stands in; its own name where that is not told."""
    return next((_stands_in(node) for node in program.graph.nodes if node.name == name), "") or name


def _stands_in(node: torch.fx.Node) -> str:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack else ""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporters warn of their own ways and print graphs that they could not trace: errors say what a user needs."""
    before, nowhere = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
