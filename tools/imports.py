"""Whether what a package imports from its siblings is there in every release that it admits.

Both sides are read as text: the imports from the package's code, by ``ast``, the exports from the
``__all__`` of a release's ``__init__`` files. So no test has to reach an import for it to count.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import SpecifierSet

from tools.history import ROOT, admitted, text_at

NAMESPACE = "rumus"
Scope = dict[str, str | None]
"""What a name stands for: a dotted path below the namespace, or None for anything else."""


class Use(NamedTuple):
    """A name that a line of code takes out of the namespace."""

    name: str
    place: str


def missing(package: str, siblings: Mapping[str, SpecifierSet]) -> list[str]:
    """What a package uses of its siblings and an admitted release of them does not export.

    Args:
        package: its name.
        siblings: the packages that it requires, and the versions that it admits of each.

    Returns:
        One sentence for each name, release and place.
    """
    source = ROOT / "packages" / package / "src"
    uses = [use for file in sorted(source.rglob("*.py")) for use in used_by(file, source)]
    foreign = [use for use in uses if not _is_own(source, use.name)]
    complaints = []
    for use in foreign:
        owners = [name for name in siblings if _owns(name, use.name)]
        if not owners:
            complaints.append(f"{use.place}: {use.name} is in no package that {package} requires")
        for owner in owners:
            for version, commit in admitted(owner, siblings[owner]).items():
                if not is_exported(owner, commit, use.name):
                    complaints.append(
                        f"{use.place}: {use.name} is not exported by {owner} {version}, "
                        f"which {package} admits ({siblings[owner]})"
                    )
    return complaints


def used_by(file: Path, source: Path) -> list[Use]:
    """The dotted names below the namespace that a file imports or reads from what it imported."""
    finder = _Uses(file.relative_to(source).parent.parts)
    finder.visit(ast.parse(file.read_text("utf-8")))
    place = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.as_posix()
    return [Use(name, f"{place}:{line}") for name, line in sorted(finder.found.items())]


def is_exported(package: str, commit: str, name: str) -> bool:
    """Whether a dotted name is a public module of a package, or something that one exports."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        exported = exports(package, commit, ".".join(parts[:length]))
        if exported is not None:
            return length == len(parts) or parts[length] in exported
    return False


@cache
def exports(package: str, commit: str, module: str) -> frozenset[str] | None:
    """The ``__all__`` of an import package at a commit, None if there was no such one."""
    init = f"packages/{package}/src/{module.replace('.', '/')}/__init__.py"
    text = text_at(commit, init)
    if text is None or any(part.startswith("_") for part in module.split(".")):
        return None
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(statement.value))
    return frozenset()


def _is_own(source: Path, name: str) -> bool:
    return (source / Path(*name.split(".")[:2])).exists()


def _owns(package: str, name: str) -> bool:
    return _is_own(ROOT / "packages" / package / "src", name)


class _Uses(ast.NodeVisitor):
    """Follows names that stand for modules through a file, scope by scope."""

    def __init__(self, package: Sequence[str]) -> None:
        self.found: dict[str, int] = {}
        self._package = package
        self._scopes: list[Scope] = [{}]

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if _is_below(alias.name):
                self._note(alias.name, node.lineno)
                bound = alias.asname or NAMESPACE
                self._scopes[-1][bound] = alias.name if alias.asname else NAMESPACE

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        around = self._package[: len(self._package) + 1 - node.level] if node.level else ()
        module = ".".join([*around, *([node.module] if node.module else [])])
        if not _is_below(module):
            return
        for alias in node.names:
            name = f"{module}.{alias.name}"
            self._note(name, node.lineno)
            self._scopes[-1][alias.asname or alias.name] = name

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path is None:
            self.generic_visit(node)
        else:
            self._note(path, node.lineno)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._enter(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._enter(node)

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """Visit a function, in which its arguments and what it assigns hide names outside."""
        self._scopes.append({name: None for name in _bound_in(node)})
        self.generic_visit(node)
        self._scopes.pop()

    def _path(self, node: ast.expr) -> str | None:
        """The dotted path that an expression spells, if it begins at an imported module."""
        if isinstance(node, ast.Attribute):
            base = self._path(node.value)
            return None if base is None else f"{base}.{node.attr}"
        if isinstance(node, ast.Name):
            return next((s[node.id] for s in reversed(self._scopes) if node.id in s), None)
        return None

    def _note(self, name: str, line: int) -> None:
        self.found.setdefault(name, line)


def _bound_in(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _is_below(module: str) -> bool:
    return module == NAMESPACE or module.startswith(f"{NAMESPACE}.")
