"""How much is tried, and one server that everything is tried on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

EXAMPLES = "--fuzz-examples"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(EXAMPLES, type=int, default=0, help="how many requests to try, chosen anew each time")


@pytest.fixture(scope="session")
def examples(request: pytest.FixtureRequest) -> int:
    """How many requests to try; 0 when nobody said."""
    # The option is known only when this folder was named on the command line.
    return int(request.config.getoption(EXAMPLES, default=0))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, -1, 10**400, 1e308, "", "\0", "\ud800", "x" * 2_000, [], {}, [[]], {"": None}, [None], ["a", "a"]]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within a document."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


def _put(document: Any, path: tuple[Any, ...], junk: Any) -> Any:
    copy = json.loads(json.dumps(document))
    if not path:
        return junk
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = junk
    return copy


@st.composite
def _damaged(draw: st.DrawFn, sample: Any) -> bytes:
    """The bytes of a damaged file."""
    whole = json.dumps(sample, indent=2).encode()
    kind = draw(
        st.sampled_from(["cut", "value", "value", "value", "bytes", "twice", "deep", "nothing", "other", "bom"])
    )
    at = draw(st.integers(0, len(whole) - 1))
    match kind:
        case "cut":
            return whole[:at]
        case "value":
            return json.dumps(_put(sample, draw(st.sampled_from(list(_places(sample)))), draw(JUNK))).encode()
        case "bytes":
            return (
                whole[:at]
                + draw(st.sampled_from([b"\0", b"\xff", b"\xc3", b",", b"}", b"\x1b", b"NaN", b"1e999"]))
                + whole[at:]
            )
        case "twice":
            keys = [position for position in range(len(whole)) if whole[position : position + 3] == b'  "']
            position = draw(st.sampled_from(keys)) + 2
            key = whole[position : whole.index(b'"', position + 1) + 1]
            return whole[:position] + key + b": null, " + whole[position:]
        case "deep":
            return whole[:-1] + b', "deep": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
        case "nothing":
            return draw(st.sampled_from([b"", b" ", b"\n", b"null", b"[]", b'""', b"0", b"{", b"\0" * 4096]))
        case "bom":
            return b"\xef\xbb\xbf" + whole
    return draw(st.binary(max_size=200))


@pytest.fixture(scope="session")
def damaged() -> Callable[[Any], st.SearchStrategy[bytes]]:
    """Makes the strategy for damaged files from a good document."""
    return _damaged
