"""Where a conversation is cut: what is before is summarised, what is after stays as it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from copaw.ports import Block


@dataclass(frozen=True, slots=True)
class Piece:
    """One message, as far as it matters here.

    :param calls: ids of the tool calls in it.
    :param results: ids of the calls whose results are in it.
    """

    tokens: int
    calls: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


def piece(tokens: int, content: str | Sequence[Block]) -> Piece:
    """What a message of this content is here."""
    blocks = () if isinstance(content, str) else content
    return Piece(tokens, _ids(blocks, "tool_use"), _ids(blocks, "tool_result"))


def _ids(blocks: Iterable[Block], kind: str) -> tuple[str, ...]:
    return tuple(str(block.get("id")) for block in blocks if block.get("type") == kind)


def borders(pieces: Sequence[Piece]) -> list[int]:
    """Every position at which a cut leaves each tool call on one side with its result, rising; 0 always is one."""
    found, open_until = [], -1
    for at, end in enumerate(_ends(pieces)):
        if at > open_until:
            found.append(at)
        open_until = max(open_until, end)
    return found


def _ends(pieces: Sequence[Piece]) -> list[int]:
    """For each message where the last result of its calls is. Ids come again: the next result is the one."""
    ends, next_result = [-1] * len(pieces), dict[str, int]()
    for at in range(len(pieces) - 1, -1, -1):
        next_result |= dict.fromkeys(pieces[at].results, at)
        ends[at] = max((next_result.get(call, -1) for call in pieces[at].calls), default=-1)
    return ends


def plan_cut(pieces: Sequence[Piece], *, reserve: int, keep_recent: int, limit: int) -> int:
    """How many messages from the beginning to leave out; 0 if there is nothing to gain.

    What is kept is the longest end of ``reserve`` tokens, or ``keep_recent`` messages if that is more, and at most
    ``limit`` tokens. A tool call and its result are never parted, and the last of these units always stays.
    """
    legal = borders(pieces)
    if not legal:
        return 0
    left = [*accumulate((one.tokens for one in reversed(pieces)), initial=0)][::-1]
    within_reserve = next(at for at, tokens in enumerate(left) if tokens <= reserve)
    target = min(within_reserve, max(len(pieces) - keep_recent, 0))
    cut = legal[bisect_right(legal, target) - 1]
    if left[cut] <= limit:
        return cut
    return next((at for at in legal if left[at] <= limit), legal[-1])
