"""Imports that wait until they are needed bring in the same things."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from copaw.agents.lazy_imports import DeferredModule, lazily

Write = Callable[[dict[str, str]], None]
PACKAGE = "lazy_sample"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the files of a package; whatever was imported of it is forgotten at the end."""
    monkeypatch.syspath_prepend(tmp_path)

    def write_files(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / PACKAGE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()

    yield write_files
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def reexporting() -> ModuleType:
    with lazily(reexporting=[PACKAGE], deferred=[]):
        return importlib.import_module(PACKAGE)


def deferred(name: str = PACKAGE) -> ModuleType:
    with lazily(reexporting=[], deferred=[name]):
        return importlib.import_module(name)


def loaded() -> set[str]:
    return {name.partition(".")[2] for name in sys.modules if name.startswith(f"{PACKAGE}.")}


# -- packages that re-export -----------------------------------------------------------------------------------------


def test_a_name_is_imported_when_it_is_asked_for(write: Write) -> None:
    write(
        {"__init__.py": "from .one import a, b as c\nfrom .two import d\n", "one.py": "a, b = 1, 2", "two.py": "d = 3"}
    )
    package = reexporting()
    assert loaded() == set()
    assert (package.a, package.c) == (1, 2)
    assert loaded() == {"one"}
    assert package.__dict__["a"] == 1


def test_it_is_lazy_after_the_block_too_and_for_those_who_import_names(write: Write) -> None:
    write({"__init__.py": "from .one import a\nfrom .two import d\n", "one.py": "a = 1", "two.py": "d = 3"})
    reexporting()
    scope: dict[str, int] = {}
    exec(f"from {PACKAGE} import d", scope)
    assert (scope["d"], loaded()) == (3, {"two"})


def test_packages_inside_are_lazy_too_and_submodules_are_meant_by_their_names(write: Write) -> None:
    write(
        {
            "__init__.py": "from . import inner\n",
            "inner/__init__.py": f"from ._x import X\nfrom {PACKAGE}.inner._y import Y\n",
            "inner/_x.py": "class X: pass",
            "inner/_y.py": "class Y: pass",
        }
    )
    with lazily(reexporting=[PACKAGE], deferred=[]):
        package = importlib.import_module(PACKAGE)
        assert package.inner is sys.modules[f"{PACKAGE}.inner"]
        assert loaded() == {"inner"}
        assert package.inner.Y.__module__ == f"{PACKAGE}.inner._y"
    assert loaded() == {"inner", "inner._y"}


def test_a_star_brings_everything(write: Write) -> None:
    write(
        {
            "__init__.py": "from .one import a\nfrom .two import d\n__all__ = ['a', 'd']\n",
            "one.py": "a = 1",
            "two.py": "d = 3",
        }
    )
    reexporting()
    scope: dict[str, int] = {}
    exec(f"from {PACKAGE} import *", scope)
    assert (scope["a"], scope["d"]) == (1, 3)


@pytest.mark.parametrize(
    "init",
    [
        "from .one import a\nb = a + 1\n",
        "from .one import *\n",
        "from .one import one\n",
        "from .one import a\nfrom .two import a\n",
        "a = 0\nfrom .one import a\n",
        "from .one import a\ndef __getattr__(name):\n    raise AttributeError(name)\n",
        "try:\n    from .one import a\nexcept ImportError:\n    a = 0\n",
    ],
    ids=["used", "star", "named as its module", "twice", "assigned", "own getattr", "conditional"],
)
def test_what_cannot_be_told_from_the_source_is_imported_at_once(write: Write, init: str) -> None:
    write({"__init__.py": init, "one.py": "a = one = 1", "two.py": "a = 2"})
    reexporting()
    assert "one" in loaded()


def test_a_submodule_that_the_imports_would_have_bound_is_there(write: Write) -> None:
    write({"__init__.py": "from .one import a\n", "one.py": f"import {PACKAGE}.two\na = 1", "two.py": "d = 3"})
    package = reexporting()
    assert package.one.a == 1
    assert package.two.d == 3


def test_one_that_is_bound_deep_inside_is_there_too(write: Write) -> None:
    write({"__init__.py": "from .one import a\n", "one.py": f"import {PACKAGE}.two\na = 1", "two.py": "d = 3"})
    assert reexporting().two.d == 3


def test_a_name_that_is_nowhere_is_missing(write: Write) -> None:
    write({"__init__.py": "from .one import a, gone\n", "one.py": "a = 1"})
    package = reexporting()
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing
    with pytest.raises(ImportError, match="cannot import name 'gone'"):
        _ = package.gone
    assert not hasattr(package, "__wrapped__")
    assert {"a", "gone"} <= set(dir(package))


def test_other_programs_find_no_trace_of_it_in_the_compiled_files(write: Write, tmp_path: Path) -> None:
    write({"__init__.py": "from .one import a\n", "one.py": "a = 1"})
    assert reexporting().a == 1
    assert not list((tmp_path / PACKAGE / "__pycache__").glob("__init__*"))


# -- deferred modules ------------------------------------------------------------------------------------------------

COUNTED = "import sys\nsys.lazy_sample_runs = [*getattr(sys, 'lazy_sample_runs', []), __name__]\nvalue = 7\n"


@pytest.fixture(autouse=True)
def _runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "lazy_sample_runs", [], raising=False)


def runs() -> list[str]:
    return sys.__dict__["lazy_sample_runs"]


def test_the_body_runs_once_when_something_is_asked_of_it(write: Write) -> None:
    write({"__init__.py": COUNTED})
    module = deferred()
    assert (type(module), runs()) == (DeferredModule, [])
    assert importlib.import_module(PACKAGE) is module
    assert runs() == []
    assert (module.value, module.value) == (7, 7)
    assert (type(module), runs()) == (ModuleType, [PACKAGE])


def test_a_submodule_is_imported_without_its_parent_having_run(write: Write) -> None:
    write({"__init__.py": COUNTED, "part.py": "x = 1"})
    module = deferred()
    part = importlib.import_module(f"{PACKAGE}.part")
    assert (part.x, module.part, runs()) == (1, part, [])
    assert (module.value, module.part.x) == (7, 1)


def test_a_body_that_fails_says_so_each_time(write: Write) -> None:
    write({"__init__.py": "import no_such_module_anywhere\n"})
    module = deferred()
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
            _ = module.value


def test_many_threads_that_ask_at_once_see_the_whole_module(write: Write) -> None:
    write({"__init__.py": f"{COUNTED}import time\ntime.sleep(0.05)\nlast = 8\n"})
    module = deferred()
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(module.last)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seen, runs()) == ([8] * 8, [PACKAGE])


def test_what_is_not_installed_is_missing_as_ever() -> None:
    with pytest.raises(ModuleNotFoundError), lazily(reexporting=[], deferred=["no_such_module_anywhere"]):
        importlib.import_module("no_such_module_anywhere")


def test_the_end_of_a_block_hides_no_module_from_an_import_under_way(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may look for a module of its own just then, and walks along the list of finders."""
    write({"__init__.py": "", "other.py": "found = True"})
    block = lazily(reexporting=[], deferred=[])

    class EndsTheBlock(importlib.abc.MetaPathFinder):
        def find_spec(self, fullname: str, path: object, target: object = None) -> None:
            if fullname == f"{PACKAGE}.other":
                block.__exit__(None, None, None)

    position = sys.meta_path.index(importlib.machinery.PathFinder)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path[:position], EndsTheBlock(), *sys.meta_path[position:]])
    importlib.import_module(PACKAGE)
    block.__enter__()
    assert importlib.import_module(f"{PACKAGE}.other").found


def test_after_the_block_everything_is_imported_at_once(write: Write) -> None:
    write({"__init__.py": "from .one import a", "one.py": "a = 1"})
    with pytest.raises(RuntimeError), lazily(reexporting=[PACKAGE], deferred=[PACKAGE]):
        raise RuntimeError
    importlib.import_module(PACKAGE)
    assert loaded() == {"one"}


def test_blocks_do_not_add_up() -> None:
    with lazily(reexporting=[], deferred=[]):
        before = list(sys.meta_path)
    with lazily(reexporting=[], deferred=[]):
        assert sys.meta_path == before
