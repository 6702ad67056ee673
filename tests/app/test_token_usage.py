from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from copaw.app import token_usage
from copaw.app.token_usage import TokenUsageBook, TokenUsageSummary, day_range
from copaw.app.usage_report import usage_report
from copaw.errors import BadInput
from copaw.providers.answer import Usage
from copaw.providers.files import ModelSlot
from copaw.testing.eventually import eventually

TODAY = date(2026, 3, 31)
A, B = ModelSlot("p", "a"), ModelSlot("q", "b")


class Clock:
    def __init__(self) -> None:
        self.day = TODAY

    def __call__(self) -> date:
        return self.day


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token_usage.json"


def kept(path: Path) -> Any:
    return json.loads(path.read_text())


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def beside(path: Path) -> list[Path]:
    return [other for other in path.parent.iterdir() if other != path]


async def all_of(book: TokenUsageBook, **only: str) -> TokenUsageSummary:
    return await book.summary(date(2000, 1, 1), date(2100, 1, 1), **only)


async def test_calls_are_summed_by_model_provider_day_and_agent(path: Path, clock: Clock) -> None:
    book = TokenUsageBook(path, clock)
    book.record("x", A, Usage(10, 1, 4))
    book.record("x", A, Usage(10, 1))
    clock.day += timedelta(days=1)
    book.record("y", B, Usage(100, 5))
    summary = await all_of(book)
    assert (summary.total_prompt_tokens, summary.total_completion_tokens, summary.total_calls) == (120, 7, 3)
    assert summary.by_model["p:a"].model_dump() == {
        "provider_id": "p",
        "model": "a",
        "prompt_tokens": 20,
        "completion_tokens": 2,
        "cached_tokens": 4,
        "call_count": 2,
    }
    assert {key: stats.prompt_tokens for key, stats in summary.by_provider.items()} == {"p": 20, "q": 100}
    assert {key: stats.call_count for key, stats in summary.by_date.items()} == {"2026-03-31": 2, "2026-04-01": 1}
    assert {key: stats.prompt_tokens for key, stats in summary.by_agent.items()} == {"x": 20, "y": 100}
    assert (await all_of(book, model="b")).total_calls == 1
    assert (await all_of(book, provider="p")).total_calls == 2
    assert (await book.summary(TODAY, TODAY)).total_calls == 2
    await book.aclose()


async def test_many_calls_are_written_together_and_nothing_is_left_behind(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_usage, "_WRITE_AFTER_S", 0.01)
    writes = []
    monkeypatch.setattr(token_usage, "write_json_atomic", lambda path, days: writes.append(days))
    book = TokenUsageBook(path, clock)
    before = asyncio.all_tasks()
    for _ in range(1000):
        book.record("x", A, Usage(1, 1))
    assert asyncio.all_tasks() == before, "a call starts no task"
    await eventually(lambda: bool(writes), "it is written")
    await eventually(lambda: asyncio.all_tasks() == before, "nobody is left")
    assert [days["2026-03-31"]["p:a"]["call_count"] for days in writes] == [1000]
    await book.aclose()
    assert len(writes) == 1, "there was nothing new to write"


async def test_what_was_noted_is_written_at_the_end_and_read_again(path: Path, clock: Clock) -> None:
    for total in (1, 2):
        book = TokenUsageBook(path, clock)
        book.record("x", A, Usage(1, 1))
        assert (await all_of(book)).total_calls == total
        await book.aclose()


async def test_old_days_are_dropped(path: Path, clock: Clock) -> None:
    for day in (TODAY - timedelta(days=401), TODAY - timedelta(days=400), TODAY):
        clock.day = day
        book = TokenUsageBook(path, clock)
        book.record("x", A, Usage(1, 1))
        await book.aclose()
    assert [*kept(path)] == ["2025-02-24", "2026-03-31"]


async def test_a_file_without_agents_and_with_more_is_kept(path: Path, clock: Clock) -> None:
    entry = {
        "provider_id": "p",
        "model_name": "a",
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "call_count": 1,
        "more": 1,
    }
    put(path, json.dumps({"2026-03-30": {"p:a": entry}}).encode())
    book = TokenUsageBook(path, clock)
    book.record("x", A, Usage(1, 1))
    summary = await all_of(book)
    assert summary.by_model["p:a"].prompt_tokens == 6
    assert {key: stats.prompt_tokens for key, stats in summary.by_agent.items()} == {"": 5, "x": 1}
    await book.aclose()
    assert kept(path)["2026-03-30"]["p:a"]["more"] == 1


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"2026-01-01": 7}', b"\xff", b""])
async def test_a_damaged_file_is_set_aside(path: Path, clock: Clock, content: bytes) -> None:
    put(path, content)
    book = TokenUsageBook(path, clock)
    book.record("x", A, Usage(1, 1))
    await book.aclose()
    assert kept(path)["2026-03-31"]["p:a"]["call_count"] == 1
    (aside,) = beside(path)
    assert aside.read_bytes() == content


async def test_what_cannot_be_written_is_not_lost(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = TokenUsageBook(path, clock)
    assert (await all_of(book)).total_calls == 0

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(token_usage, "write_json_atomic", full)
        book.record("x", A, Usage(1, 1))
        await book._write()
    assert "cannot be written" in caplog.text
    assert (await all_of(book)).total_calls == 1
    book.record("x", A, Usage(1, 1))
    await book.aclose()
    assert kept(path)["2026-03-31"]["p:a"]["call_count"] == 2


def test_days_that_are_asked_for() -> None:
    assert day_range(None, None, TODAY) == (date(2026, 3, 2), TODAY)
    assert day_range("2026-01-01", "2026-01-02", TODAY) == (date(2026, 1, 1), date(2026, 1, 2))
    assert day_range(None, "0001-01-05", TODAY)[0] == date.min
    for start, end, field in [
        ("x", None, "start_date"),
        (None, "2026-13-01", "end_date"),
        ("2027-01-01", None, "start_date"),
    ]:
        with pytest.raises(BadInput) as caught:
            day_range(start, end, TODAY)
        assert caught.value.field == field


async def test_a_report_for_an_agent(path: Path) -> None:
    book = TokenUsageBook(path)
    assert await usage_report(book, 7, None, None) == "No model was called in the last 7 days."
    book.record("x", A, Usage(10, 2))
    report = await usage_report(book, 7, None, None)
    assert "Last 7 days: 10 tokens in, 2 out, 1 calls" in report
    assert "- p:a: 10 tokens in" in report
    assert "- x: 10 tokens in" in report
    await book.aclose()
