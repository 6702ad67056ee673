"""Message ids: known for a while, and not without bound."""

from __future__ import annotations

from copaw.app.ingress.dedup import SeenIds


def test_an_id_is_new_once() -> None:
    seen = SeenIds(10, 60.0)
    assert [seen.add("a"), seen.add("b"), seen.add("a")] == [True, True, False]


def test_ids_are_forgotten_after_their_time() -> None:
    now = [0.0]
    seen = SeenIds(10, 60.0, clock=lambda: now[0])
    assert seen.add("a")
    now[0] = 59.0
    assert not seen.add("a")
    now[0] = 60.0
    assert seen.add("a")


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    seen = SeenIds(3, 60.0)
    for item in range(1000):
        seen.add(item)
    assert len(seen) == 3
    assert [seen.add(item) for item in (999, 998, 997, 996)] == [False, False, False, True]
