"""Finding a route without trying all of them.

FastAPI tries the routes of an included router one after the other, and makes each of them ready when it does so for
the first time. An area knows what its paths look like, so it is entered only by who means one of them.
"""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.routing import Match, Route, compile_path
from starlette.types import Scope

_GROUP_NAME = re.compile(r"\(\?P<\w+>")


class Area(APIRouter):
    """The routes of a router, below one prefix.

    :param router: complete: what is added to it later is not found here.
    :param prefix: what it will be included with.
    """

    def __init__(self, router: APIRouter, prefix: str) -> None:
        super().__init__(routes=router.routes)
        paths = [route.path for route in router.routes if isinstance(route, Route)]
        if len(paths) != len(router.routes):
            raise TypeError("an area has HTTP routes only")
        self._paths = re.compile("|".join(_pattern(prefix + path) for path in dict.fromkeys(paths)))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See :meth:`starlette.routing.BaseRoute.matches`."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or self._paths.match(path) is None:
            return Match.NONE, {}
        return super().matches(scope)


def _pattern(path: str) -> str:
    return _GROUP_NAME.sub("(?:", compile_path(path)[0].pattern)
