"""The lock files install anywhere and fit ``pyproject.toml``."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]
DEVELOPMENT = PROJECT["dependency-groups"]["dev"]
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)(.*?)\\?$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def _lines(name: str) -> list[str]:
    return (ROOT / name).read_text("utf-8").splitlines()


def _pins(name: str) -> dict[str, str]:
    return {match[1]: match[2] for line in _lines(name) if (match := PIN.match(line))}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_has_nothing_but_pins_and_hashes(name: str) -> None:
    assert [line for line in _lines(name) if not (PIN.match(line) or HASH.match(line))] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_pin_has_a_hash(name: str) -> None:
    lines = _lines(name)
    pins = [number for number, line in enumerate(lines) if PIN.match(line)]
    assert pins
    assert all(HASH.match(lines[number + 1]) for number in pins)


@pytest.mark.parametrize(
    ("name", "requirements"),
    [("requirements.lock", RUNTIME), ("requirements-dev.lock", RUNTIME), ("requirements-dev.lock", DEVELOPMENT)],
)
def test_every_requirement_is_pinned_within_its_range(name: str, requirements: list[str]) -> None:
    pins = _pins(name)
    for text in requirements:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[requirement.name], prereleases=True), text


def test_both_lock_files_agree() -> None:
    runtime, development = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert {name: development.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("text", RUNTIME)
def test_a_dependency_has_an_upper_bound(text: str) -> None:
    requirement = Requirement(text)
    # Time zone data counts by years and breaks nobody.
    assert requirement.name == "tzdata" or any(bound.operator in ("<", "==") for bound in requirement.specifier)


def test_whatever_the_source_imports_is_a_declared_dependency() -> None:
    declared = {Requirement(text).name for text in RUNTIME}
    providers = packages_distributions()
    used = {name for path in (ROOT / "src").rglob("*.py") for name in _imports(path)}
    third_party = {name for name in used if name not in sys.stdlib_module_names and name != "copaw"}
    missing = {name for name in third_party if not declared & set(map(canonicalize_name, providers.get(name, [name])))}
    assert missing == set()


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
