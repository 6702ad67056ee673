"""Imports of other packages that happen when something is asked of them, not before.

Some packages import everything that they offer, of which a program uses a little. While :func:`lazily` is active,
two kinds of them are imported differently:

* A *re-exporting* package, whose ``__init__`` imports names from its own submodules for others: each of these
  imports is made when its name is first asked for. Whatever else the ``__init__`` does, it does at once.
* A *deferred* module: its body runs when the first attribute is asked for. Its submodules can be imported before.

What is imported in the end is the package's own code, unchanged, and it stays lazy after the block; only *when*
changes. Where that cannot be told from the source (a name that the ``__init__`` uses itself, one that is bound
twice, ``import *``, a ``__getattr__`` of its own), the import is made at once, as ever.

Sources: import hooks of PEP 451, module attributes of PEP 562; the idea is that of PEP 810, for packages that do not
say it themselves. ``importlib.util.LazyLoader`` would not do: its modules run when they are imported a second time.
"""

from __future__ import annotations

import ast
import importlib
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any


@contextmanager
def lazily(*, reexporting: Collection[str], deferred: Collection[str]) -> Iterator[None]:
    """Import lazily what is imported in this block for the first time, in any thread.

    :param reexporting: top-level packages; all packages inside them are meant too.
    :param deferred: whole names of modules. One that is not installed is as missing as ever.
    """
    block = _Block(frozenset(reexporting), frozenset(deferred))
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _finder.blocks = (*_finder.blocks, block)
    try:
        yield
    finally:
        _finder.blocks = tuple(other for other in _finder.blocks if other is not block)


@dataclass(frozen=True, eq=False)
class _Block:
    reexporting: frozenset[str]
    deferred: frozenset[str]


class _Finder(MetaPathFinder):
    """One for all blocks, and it stays: another thread that walks along the list of finders would pass one over."""

    def __init__(self) -> None:
        self.blocks: tuple[_Block, ...] = ()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        blocks, package = self.blocks, fullname.partition(".")[0]
        defer = any(fullname in block.deferred for block in blocks)
        if not defer and not any(package in block.reexporting for block in blocks):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return spec
        if defer:
            spec.loader = _DeferringLoader(spec.loader)
        elif spec.submodule_search_locations is not None:
            spec.loader = _ReexportLoader(fullname, spec.loader.get_filename(fullname))
        return spec


_finder = _Finder()


# -- deferred modules ------------------------------------------------------------------------------------------------


class _DeferringLoader(Loader):
    def __init__(self, loader: SourceFileLoader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__spec__"].loader = module.__loader__ = self._loader


# One for all: a body that runs may ask for the attributes of another.
_lock = threading.RLock()
_running: set[str] = set()


class DeferredModule(ModuleType):
    """A module whose body has not run yet. It turns into a plain one when it has."""

    def __getattr__(self, name: str) -> Any:
        loader = self.__loader__
        if name in ("__path__", "__wrapped__") or not isinstance(loader, SourceFileLoader):
            raise _missing(self, name)
        with _lock:
            if type(self) is DeferredModule:
                if self.__name__ in _running:  # by this very thread, which looks at a module half imported
                    raise _missing(self, name)
                self._run(loader)
        return getattr(self, name)

    def _run(self, loader: SourceFileLoader) -> None:
        _running.add(self.__name__)
        try:
            loader.exec_module(self)
            self.__class__ = ModuleType  # type: ignore[assignment]
        finally:
            _running.discard(self.__name__)


def _missing(module: ModuleType, name: str) -> AttributeError:
    return AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name, obj=module)


# -- packages that re-export -----------------------------------------------------------------------------------------

Export = tuple[str, str]
"""The module that is imported, and the name in it; without a name the module itself is meant."""


class _ReexportLoader(SourceFileLoader):
    """Runs an ``__init__`` without the imports that only serve others."""

    def __init__(self, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self._exports: dict[str, Export] = {}

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        self._exports = _take_exports(tree, fullname)
        # Past the cache of compiled files, which is everybody's.
        return compile(tree, path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        names = {"__getattr__": partial(self._ask, module), "__dir__": partial(self._names, module)}
        module.__dict__.update(names)
        super().exec_module(module)

    def _names(self, module: ModuleType) -> list[str]:
        return sorted({*module.__dict__, *self._exports})

    def _ask(self, module: ModuleType, name: str) -> Any:
        package = module.__name__
        export = self._exports.get(name)
        if export is not None:
            value = module.__dict__[name] = _imported(export)
            return value
        if not name.startswith("__"):
            # The imports would have bound submodules by the way: the one it is likely to be first, then all others.
            inside = f"{package}.{name}"
            sources = {source for source, _ in self._exports.values()}
            if any(source == inside or source.startswith(f"{inside}.") for source in sources):
                return importlib.import_module(inside)
            for source in sources:
                importlib.import_module(source)
            if name in module.__dict__:
                return module.__dict__[name]
        raise _missing(module, name)


def _imported(export: Export) -> Any:
    source, name = export
    module = importlib.import_module(source)
    if not name:
        return module
    try:
        return getattr(module, name)
    except AttributeError:
        try:
            return importlib.import_module(f"{source}.{name}")
        except ModuleNotFoundError:
            raise ImportError(f"cannot import name {name!r} from {source!r}", name=source) from None


def _take_exports(tree: ast.Module, package: str) -> dict[str, Export]:
    """Take the imports that only serve others out of an ``__init__``."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and _is_own(node, package)]
    bound = Counter(_bound(tree))
    if "__getattr__" in bound or "__dir__" in bound:
        return {}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    sources = {node: _source(node, package) for node in imports}
    # ``from .a import a``: whoever imports the submodule later would put it in the place of its name.
    submodules = {source.removeprefix(f"{package}.").partition(".")[0] for source in sources.values()}
    exports: dict[str, Export] = {}
    for node, source in sources.items():
        found = {
            alias.asname or alias.name: _export(source, alias.name, itself=node.module is None) for alias in node.names
        }
        shadows = {name for name in found if name in submodules and found[name] != (f"{package}.{name}", "")}
        if "*" in found or shadows or used & found.keys() or any(bound[name] > 1 for name in found):
            continue
        tree.body.remove(node)
        exports |= found
    return exports


def _is_own(node: ast.ImportFrom, package: str) -> bool:
    module = node.module or ""
    return node.level == 1 or (node.level == 0 and module.startswith(f"{package}."))


def _source(node: ast.ImportFrom, package: str) -> str:
    module = node.module or ""
    return module if node.level == 0 else f"{package}.{module}".rstrip(".")


def _export(source: str, name: str, *, itself: bool) -> Export:
    return (f"{source}.{name}", "") if itself else (source, name)


def _bound(tree: ast.AST) -> Iterable[str]:
    """Every name that the source binds, as often as it does; assignments are names and are counted as uses."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
