"""How many tokens the models have used."""

from datetime import date

from fastapi import APIRouter

from copaw.app.routers.deps import ServicesDep
from copaw.app.token_usage import TokenUsageSummary, day_range

router = APIRouter(tags=["token-usage"])


@router.get("/token-usage")
async def get_token_usage(
    services: ServicesDep,
    start_date: str | None = None,
    end_date: str | None = None,
    model: str | None = None,
    provider: str | None = None,
) -> TokenUsageSummary:
    first, last = day_range(start_date, end_date, date.today())
    return await services.token_usage.summary(first, last, model=model or None, provider=provider or None)
