"""FastAPI sends what is no coroutine to a thread: that costs more than most operations do."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

import copaw.app.routers


def routers() -> Iterator[APIRouter]:
    for module in pkgutil.iter_modules(copaw.app.routers.__path__, "copaw.app.routers."):
        found = importlib.import_module(module.name)
        yield from (thing for thing in vars(found).values() if isinstance(thing, APIRouter))


def calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for dependency in dependant.dependencies:
        yield from calls(dependency)


def test_no_operation_and_nothing_it_depends_on_runs_in_a_thread() -> None:
    routes = [route for router in routers() for route in router.routes if isinstance(route, APIRoute)]
    called = {call for route in routes for call in calls(route.dependant)}
    assert len(called) > 100
    assert {call for call in called if not inspect.iscoroutinefunction(call)} == set()
