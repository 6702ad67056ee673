"""How much is tried, and one server that everything is tried on."""

from __future__ import annotations

import pytest

EXAMPLES = "--fuzz-examples"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(EXAMPLES, type=int, default=0, help="how many requests to try, chosen anew each time")


@pytest.fixture(scope="session")
def examples(request: pytest.FixtureRequest) -> int:
    """How many requests to try; 0 when nobody said."""
    # The option is known only when this folder was named on the command line.
    return int(request.config.getoption(EXAMPLES, default=0))
