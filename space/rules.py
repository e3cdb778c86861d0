"""Rules: what must hold between choices, as Python expressions of a small fixed subset, checked before anything is evaluated."""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from registry import nearest
from space.names import Step, holes_on, look, steps_of
from space.schema import NOTHING, Leaf, Place, Struct
from space.template import Group, Plain


class RuleError(ValueError):
    """A filling that breaks a rule, or a rule that no filling could be found for. `rule` is its text."""

    def __init__(self, rule: str, message: str):
        super().__init__(message)
        self.rule = rule

    def __reduce__(self) -> tuple[Any, ...]:
        return RuleError, (self.rule, str(self))


def _sorted(items: Iterable[Any], *, reverse: bool = False) -> tuple[Any, ...]:
    return tuple(sorted(items, reverse=reverse))


FUNCTIONS: dict[str, Callable[..., Any]] = {"sorted": _sorted, "len": len, "min": min, "max": max, "sum": sum, "set": frozenset}
COMPARED = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub, ast.UAdd, ast.Not)
SUBSET = (
    "a rule compares names, numbers, words and lists with == != < <= > >= in, combines them with and, or, not, "
    f"and may use + - * / // %, a whole number as an index behind a name, and {', '.join(FUNCTIONS)}"
)


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of a space. A list reads as a tuple; where a name of it is absent, the rule does not apply.

    `named`: the holes it names. `joint`: those, and the ones that make them present.
    """

    text: str
    steps: tuple[tuple[Step, ...], ...]
    code: CodeType
    named: frozenset[str]
    joint: frozenset[str]

    def __str__(self) -> str:
        return self.text

    def holds(self, plain: Plain) -> bool:
        values: dict[str, Any] = {}
        for n, steps in enumerate(self.steps):
            value = look(plain, steps)
            if value is NOTHING:
                return True
            values[f"v{n}"] = value
        try:
            return bool(eval(self.code, {"__builtins__": {}, **FUNCTIONS}, values))
        except (TypeError, ArithmeticError, ValueError) as error:
            raise ValueError(f"rule '{self.text}' cannot be evaluated: {error}") from None


def parse_rule(text: str, struct: Struct, root: Group, *, strict: bool = True) -> Rule:
    """Check a rule's syntax, names and words. Not `strict`: an item beyond the (narrowed) largest count is merely absent."""
    try:
        given = ast.parse(str(text), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"rule '{text}': not an expression ({error.msg}); {SUBSET}") from None
    rewrite = _Rewrite(str(text), struct)
    body = rewrite(given)
    if not isinstance(body, ast.Compare | ast.BoolOp) and not (isinstance(body, ast.UnaryOp) and isinstance(body.op, ast.Not)):
        raise ValueError(f"rule '{text}': it must compare something; {SUBSET}")
    touched = _touched(rewrite, root, strict)
    named, joint = frozenset(hole for hole, named in touched if named), frozenset(hole for hole, _ in touched)
    code = compile(ast.fix_missing_locations(ast.Expression(body)), "rule", "eval")
    return Rule(str(text), tuple(rewrite.names.values()), code, named, joint)


def broken(rules: Iterable[Rule], plain: Plain) -> list[Rule]:
    return [rule for rule in rules if not rule.holds(plain)]


def _touched(rewrite: "_Rewrite", root: Group, strict: bool) -> list[tuple[str, bool]]:
    touched = []
    for name, steps in rewrite.names.items():
        try:
            touched += [(hole.name, named) for hole, named in holes_on(root, steps, name)]
        except ValueError as error:
            if strict:
                raise ValueError(f"rule '{rewrite.text}': {error}") from None
    return touched


class _Rewrite:
    """Turns names (`layer.mixer`, `layer.mixer[-1]`) into variables v0, v1, ... (`names` has their steps) and lists into tuples;
    refuses the rest."""

    def __init__(self, text: str, struct: Struct):
        self.text, self.struct = text, struct
        self.names: dict[str, tuple[Step, ...]] = {}
        self.kinds: dict[str, Leaf | Place] = {}

    def refuse(self, what: str) -> ValueError:
        return ValueError(f"rule '{self.text}': {what}")

    def __call__(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant(value=int() | float() | str()) if not isinstance(node.value, bool):
                return node
            case ast.List() | ast.Tuple():
                return ast.Tuple([self(item) for item in node.elts], ast.Load())
            case ast.Name() | ast.Attribute() | ast.Subscript() if name := _named(node):
                return self._variable(*name)
            case ast.Attribute() if whole := _index_inside(node):
                raise self.refuse(f"'{ast.unparse(node)}' has its index inside; an index stands behind the whole name: {whole}")
            case ast.Call():
                return self._call(node)
            case ast.Compare() if all(isinstance(op, COMPARED) for op in node.ops):
                sides = [self(side) for side in (node.left, *node.comparators)]
                self._check_words([node.left, *node.comparators])
                return ast.Compare(sides[0], node.ops, sides[1:])
            case ast.BoolOp():
                return ast.BoolOp(node.op, [self(value) for value in node.values])
            case ast.UnaryOp() if isinstance(node.op, ARITHMETIC):
                return ast.UnaryOp(node.op, self(node.operand))
            case ast.BinOp() if isinstance(node.op, ARITHMETIC):
                return ast.BinOp(self(node.left), node.op, self(node.right))
        raise self.refuse(f"'{ast.unparse(node)}' ({type(node).__name__}) is not allowed; {SUBSET}")

    def _variable(self, name: str, indices: tuple[int, ...]) -> ast.Name:
        key = _shown(name, indices)
        if key not in self.names:
            try:
                self.names[key], self.kinds[key] = steps_of(self.struct, name, indices)
            except ValueError as error:
                raise self.refuse(str(error)) from None
        return ast.Name(f"v{list(self.names).index(key)}", ast.Load())

    def _call(self, node: ast.Call) -> ast.Call:
        called = ast.unparse(node.func)
        if called not in FUNCTIONS:
            raise self.refuse(f"unknown function '{called}'; {nearest(called, list(FUNCTIONS))}")
        for keyword in node.keywords:
            if called != "sorted" or ast.unparse(keyword) not in ("reverse=True", "reverse=False"):
                raise self.refuse(f"'{ast.unparse(keyword)}' is not allowed; sorted takes reverse=True, the others no keywords")
        return ast.Call(node.func, [self(item) for item in node.args], node.keywords)

    def _check_words(self, sides: list[ast.expr]) -> None:
        """A word that is compared with a choice must be one that the choice can be."""
        items = [item for side in sides for item in (side.elts if isinstance(side, ast.List | ast.Tuple) else [side])]
        words = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        for name in (_shown(*name) for side in sides if (name := _named(side))):
            kind = self.kinds[name]
            known = kind.slot.names() if isinstance(kind, Place) else [v for v in kind.allowed if isinstance(v, str)]
            if wrong := [word for word in words if known and word not in known]:
                raise self.refuse(f"{name} is never '{wrong[0]}'; {nearest(wrong[0], known)}")


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _named(node: ast.AST) -> tuple[str, tuple[int, ...]] | None:
    """A dotted name and the whole numbers in brackets behind it, or None."""
    if isinstance(node, ast.Subscript):
        before, index = _named(node.value), _whole_number(node.slice)
        return None if before is None or index is None else (before[0], (*before[1], index))
    name = _dotted(node)
    return name and (name, ())


def _whole_number(node: ast.AST) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _whole_number(node.operand)
        return None if number is None else -number
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def _shown(name: str, indices: tuple[int, ...]) -> str:
    return name + "".join(f"[{index}]" for index in indices)


def _index_inside(node: ast.Attribute) -> str | None:
    """How `layer[-1].mixer` is written: `layer.mixer[-1]`. None where that is not what is wrong."""
    after, inner = "", node
    while isinstance(inner, ast.Attribute):
        after, inner = f".{inner.attr}{after}", inner.value
    found = _named(inner)
    return _shown(found[0] + after, found[1]) if found and found[1] else None
