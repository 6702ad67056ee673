"""Where a conversation is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from copaw.agents.context.plan import Piece, borders, piece, plan_cut


@st.composite
def conversations(draw: st.DrawFn) -> list[Piece]:
    """Messages with calls whose results follow later, never, or under an id that was used before."""
    pieces, open_calls = [], list[str]()
    for number in range(draw(st.integers(0, 30))):
        tokens = draw(st.integers(0, 500))
        if open_calls and draw(st.booleans()):
            answered = tuple(draw(st.sets(st.sampled_from(open_calls), min_size=1)))
            open_calls = [call for call in open_calls if call not in answered]
            pieces.append(Piece(tokens, results=answered))
        elif draw(st.booleans()):
            ids = st.sampled_from(["again", f"a{number}", f"b{number}", f"c{number}"])
            calls = tuple(draw(st.sets(ids, min_size=1, max_size=3)) - set(open_calls))
            open_calls += calls
            pieces.append(Piece(tokens, calls=calls))
        else:
            pieces.append(Piece(tokens))
    return pieces


sizes = st.integers(0, 3000)
counts = st.integers(0, 10)


def parted(pieces: list[Piece], cut: int) -> list[str]:
    """Calls on one side whose results, the next ones of their id, are on the other."""
    found = []
    for at, one in enumerate(pieces[:cut]):
        for call in one.calls:
            result = next((i for i, other in enumerate(pieces) if i > at and call in other.results), None)
            if result is not None and result >= cut:
                found.append(call)
    return found


@given(conversations(), sizes, counts, sizes)
def test_a_call_is_never_parted_from_its_result(pieces: list[Piece], reserve: int, keep: int, limit: int) -> None:
    assert parted(pieces, plan_cut(pieces, reserve=reserve, keep_recent=keep, limit=limit)) == []


@given(conversations())
def test_every_border_is_one_and_none_is_missing(pieces: list[Piece]) -> None:
    assert borders(pieces) == [at for at in range(len(pieces)) if not parted(pieces, at)]


@given(conversations(), sizes, counts, sizes)
def test_what_stays_fits_or_is_the_last_unit(pieces: list[Piece], reserve: int, keep: int, limit: int) -> None:
    cut = plan_cut(pieces, reserve=reserve, keep_recent=keep, limit=limit)
    assert sum(one.tokens for one in pieces[cut:]) <= limit or cut == (borders(pieces) or [0])[-1]


@given(conversations(), sizes, counts, sizes)
def test_cutting_again_cuts_nothing(pieces: list[Piece], reserve: int, keep: int, limit: int) -> None:
    cut = plan_cut(pieces, reserve=reserve, keep_recent=keep, limit=limit)
    assert plan_cut(pieces[cut:], reserve=reserve, keep_recent=keep, limit=limit) == 0


@given(conversations(), sizes, counts)
def test_recent_messages_stay_while_there_is_room(pieces: list[Piece], reserve: int, keep: int) -> None:
    cut = plan_cut(pieces, reserve=reserve, keep_recent=keep, limit=10**9)
    assert len(pieces) - cut >= min(keep, len(pieces))
    kept = [sum(one.tokens for one in pieces[at:]) for at in range(len(pieces) + 1)]
    assert all(cut <= at for at, tokens in enumerate(kept) if tokens <= reserve)


def test_an_empty_conversation_is_left_alone() -> None:
    assert plan_cut([], reserve=10, keep_recent=3, limit=10) == 0


def test_a_piece_knows_its_calls_and_results() -> None:
    blocks = [{"type": "text", "text": "x"}, {"type": "tool_use", "id": "1"}, {"type": "tool_result", "id": "2"}]
    assert piece(7, blocks) == Piece(7, ("1",), ("2",))
    assert piece(7, "text") == Piece(7)
