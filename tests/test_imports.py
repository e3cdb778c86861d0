"""Imports point down only, and what is heavy stays where it belongs: read from the files, not by importing them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALL = {"registry", "blocks", "space", "evaluators", "search", "report", "config", "run_search"}
BELOW = {
    "registry": set(),
    "blocks": {"registry"},
    "space": {"registry", "blocks"},
    "evaluators": {"registry", "blocks", "space"},
    "search": {"registry", "space", "evaluators.api"},
    "report": {"registry", "blocks", "space", "evaluators", "search"},
    "config": ALL - {"run_search"},
    "run_search": ALL,
}
ENTRY_POINTS = (  # commands of their own, which join the parts as run_search does
    "space/__main__.py",
    "report/__main__.py",
    "evaluators/cost/__main__.py",
    "evaluators/latency/__main__.py",
)
FILES = [
    path
    for name in sorted(ALL)
    for path in ([ROOT / f"{name}.py"] if (ROOT / f"{name}.py").exists() else sorted((ROOT / name).rglob("*.py")))
]


def imported(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: relative import"
            yield from [f"{node.module}.{alias.name}" for alias in node.names]


def within(module, package):
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    name = path.relative_to(ROOT).as_posix()
    package = name.removesuffix(".py").partition("/")[0]
    allowed = {package, *BELOW[package], *(ALL - {"run_search"} if name in ENTRY_POINTS else ())}
    for module in imported(path):
        ours = module.partition(".")[0] in ALL
        assert not ours or any(within(module, lower) for lower in allowed), f"{name} imports {module}"


def test_there_are_files():
    assert len(FILES) > 20


@pytest.mark.parametrize(
    ("library", "allowed"),
    [("ray", {"search/launch/ray.py"}), ("hydra", {"config.py", "run_search.py"}), ("optuna", None)],
)
def test_libraries_that_one_file_knows(library, allowed):
    users = {path.relative_to(ROOT).as_posix() for path in FILES if any(within(module, library) for module in imported(path))}
    if allowed is None:
        assert all(
            user.startswith("search/strategy/") or user in ("report/importance.py", "report/optuna_study.py") for user in users
        )
    else:
        assert users <= allowed


def test_search_knows_no_torch():
    heavy = ("torch", "torchvision", "timm")
    for path in FILES:
        if path.is_relative_to(ROOT / "search"):
            assert not [module for module in imported(path) for library in heavy if within(module, library)], path
