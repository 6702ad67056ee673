"""Several kinds of ingress as one."""

from __future__ import annotations

from copaw.app.ingress.composite import CompositeIngress
from copaw.config.snapshot import AgentSnapshot


class Part:
    def __init__(self, name: str, log: list[str], *, broken: bool = False) -> None:
        self.name, self.log, self.broken = name, log, broken

    async def apply(self, snapshot: AgentSnapshot | None) -> None:
        self._note("apply")

    async def aclose(self) -> None:
        self._note("close")

    def _note(self, what: str) -> None:
        self.log.append(f"{self.name} {what}")
        if self.broken:
            raise OSError("broken")


async def test_every_part_follows_and_is_closed_though_one_fails() -> None:
    log: list[str] = []
    ingress = CompositeIngress("a", [Part("one", log, broken=True), Part("two", log, broken=True), Part("three", log)])
    await ingress.apply(None)
    await ingress.aclose()
    assert log == ["one apply", "two apply", "three apply", "three close", "two close", "one close"]
