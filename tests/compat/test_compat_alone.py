"""`reglab.compat` is the only place that leans on private parts of other packages. What it leans on, the files beside this test."""

from __future__ import annotations

import ast
import re

from conftest import ROOT


def private_uses(tree: ast.AST) -> set[str]:
    """What a file takes of others that begins with one underscore, other than of itself (`self._lock`)."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("reglab"):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return {
        name for name in found if re.match(r"_(?!_)", name) and name != "_exit"
    }  # which os documents, underscore and all


def own_names(tree: ast.AST) -> set[str]:
    """What a file itself defines."""
    named = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    named |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return named | {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def test_private_parts_of_other_packages_are_used_nowhere_else():
    files = [*(ROOT / "reglab").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), ROOT / "docs" / "make.py"]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files if "compat" not in path.parts}
    own = set().union(*map(own_names, trees.values()))
    used = {path.relative_to(ROOT): names for path, tree in trees.items() if (names := private_uses(tree) - own)}
    assert not used
