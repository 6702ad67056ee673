from __future__ import annotations

import os
import sys
from collections import namedtuple
from dataclasses import replace

import pytest
from packaging.requirements import Requirement

from copaw.cli.doctor import environment
from copaw.cli.doctor.finding import Subject


def test_this_environment_is_well(subject: Subject, bad) -> None:
    assert bad(environment.check_python(subject)) == []
    assert bad(environment.check_libraries(subject)) == []
    assert bad(environment.check_extras(subject)) == []


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0)])
def test_another_python(subject: Subject, bad, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]) -> None:
    class Version(namedtuple("Version", "major minor micro")):
        def __getitem__(self, key):
            return tuple(self)[key] if isinstance(key, slice) else super().__getitem__(key)

    monkeypatch.setattr(sys, "version_info", Version(*version))
    ((level, what),) = bad(environment.check_python(subject))
    assert (level, "is not between 3.11 and 3.13" in what) == ("error", True)


def test_libraries_that_do_not_fit_are_named(subject: Subject, bad, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["click<1", "no-such-library-of-anybody>=2", "httpx", 'asyncpg<0.1; extra == "postgres"']
    monkeypatch.setattr(environment, "requires", lambda name: lines)
    ((level, what),) = bad(environment.check_libraries(subject))
    assert level == "error"
    assert "2 of the libraries" in what
    assert "no-such-library-of-anybody is missing" in what


def test_an_extra_counts_when_it_is_needed(subject: Subject, bad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "requires", lambda name: ['no-such-driver; extra == "postgres"'])
    assert bad(environment.check_extras(subject)) == []
    needed = replace(subject, environ={"COPAW_DATABASE_URL": "postgresql://h/d"})
    ((level, what),) = bad(environment.check_extras(needed))
    assert (level, "no-such-driver is missing" in what) == ("error", True)


def test_a_version_before_its_release_fits() -> None:
    assert environment._problem(Requirement("click>=1")) == ""


def test_variables_that_nothing_reads_are_named(subject: Subject, bad) -> None:
    known = {"COPAW_WORKING_DIR": "x", "COPAW_DATABASE_URL": "", "PATH": "x"}
    assert bad(environment.check_variables(replace(subject, environ=known))) == []
    assert bad(environment.check_variables(replace(subject, environ={}))) == []
    misspelt = {**known, "COPAW_SHUTDOWN_GRACE": "1", "COPAW_MEMORY_OF_AN_ELEPHANT": "1"}
    (finding,) = environment.check_variables(replace(subject, environ=misspelt))
    assert finding.mend == "unset COPAW_MEMORY_OF_AN_ELEPHANT COPAW_SHUTDOWN_GRACE"


def test_root_is_told_except_in_a_container(subject: Subject, bad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("COPAW_RUNNING_IN_CONTAINER", raising=False)
    assert [level for level, _ in bad(environment.check_user(subject))] == ["warn"]
    monkeypatch.setenv("COPAW_RUNNING_IN_CONTAINER", "1")
    assert bad(environment.check_user(subject)) == []
