"""Token usage as a text for an agent."""

from __future__ import annotations

from datetime import date, timedelta

from copaw.app.token_usage import TokenUsageBook, TokenUsageStats

_LATEST = 7


async def usage_report(book: TokenUsageBook, days: int, model: str | None, provider: str | None) -> str:
    """Sums over the last ``days`` days, today included; of one model or provider if it is named."""
    last = date.today()
    summary = await book.summary(last - timedelta(days=days - 1), last, model=model, provider=provider)
    if not summary.total_calls:
        return f"No model was called in the last {days} days."
    total = TokenUsageStats(
        prompt_tokens=summary.total_prompt_tokens,
        completion_tokens=summary.total_completion_tokens,
        call_count=summary.total_calls,
    )
    lines = [f"Last {days} days: {_sums(total)}"]
    for title, table in (("By model", summary.by_model), ("By agent", summary.by_agent)):
        lines += [f"\n{title}:", *(f"- {name or 'unknown'}: {_sums(stats)}" for name, stats in table.items())]
    latest = list(summary.by_date.items())[-_LATEST:]
    return "\n".join([*lines, "\nLatest days:", *(f"- {day}: {_sums(stats)}" for day, stats in latest)])


def _sums(stats: TokenUsageStats) -> str:
    return f"{stats.prompt_tokens} tokens in, {stats.completion_tokens} out, {stats.call_count} calls"
