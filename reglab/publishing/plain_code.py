"""A network as plain torch code: Python that builds the same network, with the same names of weights, without reglab.

    print(plain_code(network))         # ends in `network = ...`, which takes the weights of model.safetensors

Torch's layers are written as they were built; of the lab's own modules only what `forward` needs is copied. Layers that
do nothing once a network is trained (dropout and the like) become `nn.Identity()`.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Iterable
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

from reglab import compat
from reglab.errors import RunError

if TYPE_CHECKING:
    from torch import nn

LINE = 92  # characters of code that stay on one line, before it is indented

PARTS = '''
class Parts(nn.Module):
    """Holds layers and numbers under the names they are given."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
'''.strip()


def plain_code(network: nn.Module, imports: Iterable[str] = ()) -> str:
    """Python source that binds `network` to a network of the same layers, in training mode and with random weights.

    `imports` are lines to import what else is wanted. Raises `RunError` for a module that it does not know how to write down.
    """
    from torch.nn.utils.parametrize import is_parametrized

    code = Code()
    code.imports.update(imports)
    built = code.built(network)
    if views := getattr(network, "views", None):
        from reglab.models.views import asked_again

        code.function(asked_again)
    parts = [*code.definitions.values(), f"network = {built}"]
    if spectral := [repr(name) for name, layer in network.named_modules() if is_parametrized(layer)]:
        code.imports.add("from torch.nn.utils.parametrizations import spectral_norm")
        parts.append(f"for name in {call('[', spectral, ']')}:\n    spectral_norm(network.get_submodule(name))")
    if views:
        settings = f"{views.shift}, {views.mirror}, {views.below}"
        parts.append(
            "network.register_forward_hook(  # of what it is not sure of it asks for the mean over other views\n"
            "    lambda network, args, logits: None\n    if network.training\n"
            f"    else asked_again(network, args[0], logits, {settings})\n)"
        )
    return "\n\n\n".join([in_order(code.imports), *parts]) + "\n"


class Code:
    """Code under way: the imports it needs, and the classes, functions and constants by name."""

    def __init__(self) -> None:
        self.imports = {"from torch import nn"}
        self.definitions: dict[str, str] = {}

    def built(self, module: nn.Module) -> str:
        """An expression that builds a module. Raises `RunError` for one that cannot be written down."""
        from torch import nn
        from torch.nn.utils.parametrize import type_before_parametrizations

        from reglab.models.group_norm import GroupNorm
        from reglab.models.layers import DropBlock2d, StochasticDepth

        kind = type_before_parametrizations(module)
        kind = nn.GroupNorm if kind is GroupNorm else kind  # ours is quicker, and nothing else
        where = kind.__module__.partition(".")[0]
        inside = {name: child for name, child in module.named_children() if name != "parametrizations"}
        if isinstance(module, (nn.Dropout, nn.Dropout2d, DropBlock2d, StochasticDepth)):
            return "nn.Identity()"
        if isinstance(module, nn.Sequential) and kind is nn.Sequential:
            return call("nn.Sequential(", [self.built(layer) for layer in module], ")")
        if isinstance(module, nn.ModuleList) and kind is nn.ModuleList:
            return call("nn.ModuleList([", [self.built(layer) for layer in module], "])")
        if where == "torch" and getattr(nn, kind.__name__, None) is kind and not inside:
            return call(f"nn.{kind.__name__}(", compat.torch.shown_arguments(kind, module.extra_repr()), ")")
        own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        if where == "reglab" and not own:
            used = self.define(kind)
            numbers = {name: repr(value) for name, value in vars(module).items() if name in used}
            layers = {name: self.built(layer) for name, layer in inside.items()}
            return call(f"{kind.__name__}(", [f"{k}={v}" for k, v in (layers | numbers).items()], ")")
        if where == "timm":
            self.function(compat.timm.create_backbone)
            return call("create_backbone(", [repr(compat.timm.architecture_of(module)), "0.0"], ")")
        raise RunError(f"The network cannot be written as plain torch code: it has a {kind.__name__} inside.")

    def define(self, kind: type) -> set[str]:
        """Copy a class of the lab, or what its `forward` calls of it; the names of itself that it asks for."""
        methods, used, open_ = [], set[str](), ["forward"]
        for name in open_:
            function = vars(kind)[name]
            source = dedent(inspect.getsource(function))
            tree = ast.parse(source)
            methods.append(source.strip())
            self.resolve(tree, kind.__module__)
            asked = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_self(n.value)]
            open_ += [n for n in asked if inspect.isfunction(vars(kind).get(n)) and n not in open_]
            used.update(asked)
        self.definitions.setdefault("Parts", PARTS)
        if kind.__name__ not in self.definitions:
            body = "\n\n".join(indent(method, "    ") for method in methods)
            self.definitions[kind.__name__] = f"class {kind.__name__}(Parts):\n{body}"
        return used

    def function(self, function: Any) -> None:
        """Copy a function, and before it whatever it needs."""
        source = dedent(inspect.getsource(function)).strip()
        self.resolve(ast.parse(source), function.__module__)
        self.definitions.setdefault(function.__name__, source)

    def resolve(self, tree: ast.AST, module: str) -> None:
        """Import or copy every global name that a piece of the module's source uses. Raises `RunError` for one that is neither."""
        inside = vars(sys.modules[module])
        imported = import_lines(inspect.getsource(sys.modules[module]))
        nodes = list(ast.walk(tree))
        own = {node.arg for node in nodes if isinstance(node, ast.arg)}
        own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        for name in sorted({node.id for node in nodes if isinstance(node, ast.Name)} - own):
            value = inside.get(name)
            if name not in inside or hasattr(builtins, name):
                continue
            if name in imported and "reglab" not in imported[name]:
                self.imports.add(imported[name])
            elif inspect.isfunction(value):
                self.function(value)
            elif isinstance(value, (int, float, str)):
                self.definitions.setdefault(name, f"{name} = {value!r}")
            else:
                raise RunError(f"The network cannot be written as plain torch code: it needs {name} of the lab.")


def call(before: str, parts: list[str], after: str) -> str:
    """A call on one line where it fits, else with a line for each argument."""
    line = before + ", ".join(parts) + after
    if "\n" not in line and len(line) <= LINE:
        return line
    return before + "\n" + indent(",\n".join(parts), "    ") + ",\n" + after


def import_lines(source: str) -> dict[str, str]:
    r"""Name -> the line that imports it, for the imports at the top of a file.

    >>> import_lines("import torch\nfrom torch.nn.functional import pad, relu")["relu"]
    'from torch.nn.functional import relu'
    """
    lines = {}
    for node in ast.parse(source).body:
        for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            line = f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
            lines[alias.asname or alias.name] = (
                f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
            ) + line
    return lines


def in_order(imports: Iterable[str]) -> str:
    """Import lines sorted, with one line for all that comes from one module."""
    names: dict[str, list[str]] = {}
    for line in sorted(imports, key=lambda line: (line.startswith("from "), line)):
        module, _, name = line.partition(" import ") if line.startswith("from ") else (line, "", "")
        names.setdefault(module, []).append(name)
    return "\n".join(module + (f" import {', '.join(told)}" if any(told) else "") for module, told in names.items())


def is_self(node: ast.expr) -> bool:
    """Whether this is the name `self`."""
    return isinstance(node, ast.Name) and node.id == "self"
