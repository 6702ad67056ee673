"""Measuring a server that somebody else runs: its model is the scripted one for that time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.bench import Bench
from benchmarks.client import Failed, Target, call, chat
from benchmarks.home import MODEL, PROVIDER

_PATIENCE_S = 30.0


@asynccontextmanager
async def scripted_model(bench: Bench) -> AsyncIterator[None]:
    """Set the model of the server under comparison, if there is one, and set it back at the end."""
    target = bench.subject
    if target is None:
        yield
        return
    before = (await call(target, "GET", "/api/models/active?scope=global")).get("active_llm")
    spec = {"id": PROVIDER, "name": "Benchmarks", "models": [{"id": MODEL, "name": MODEL}]}
    await call(target, "POST", "/api/models/custom-providers", {**spec, "default_base_url": bench.model_url})
    try:
        await call(target, "PUT", f"/api/models/{PROVIDER}/config", {"api_key": "none", "base_url": bench.model_url})
        await _choose(target, PROVIDER, MODEL)
        await _until_scripted(target)
        yield
    finally:
        if before and before.get("provider_id"):
            await _choose(target, before["provider_id"], before["model"])
        await call(target, "DELETE", f"/api/models/custom-providers/{PROVIDER}")


async def _choose(target: Target, provider_id: str, model: str) -> None:
    await call(target, "PUT", "/api/models/active", {"provider_id": provider_id, "model": model, "scope": "global"})


async def _until_scripted(target: Target) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not (await chat(target, "tokens 1")).model_at:
        if time.monotonic() > deadline:
            raise Failed(f"{target.base_url} does not use the model it was given; has its agent a model of its own?")
        await asyncio.sleep(0.1)
