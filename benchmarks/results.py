"""Samples, their medians, the table and the file."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.catalogue import MEASURES, Measure

FOLDER = Path(__file__).parent / "results"
SUBJECT, FLOOR = "copaw", "floor"
_LIBRARIES = ("agentscope", "agentscope-runtime", "fastapi", "starlette", "uvicorn", "pydantic", "openai", "uvloop")


class Results:
    """Samples by measure and by who was measured."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, name: str, target: str, *values: float) -> None:
        """Record samples of a measure of the catalogue."""
        if name not in MEASURES:
            raise KeyError(f"no measure {name!r}; known: {', '.join(MEASURES)}")
        self._samples[name][target] += values

    def median(self, name: str, target: str) -> float | None:
        """The median of a measure's samples; ``None`` if it was not measured."""
        samples = self._samples.get(name, {}).get(target)
        return statistics.median(samples) if samples else None

    def spread(self, name: str, target: str) -> float | None:
        """Half the distance from the smallest to the largest sample, as a part of the median."""
        samples = self._samples.get(name, {}).get(target) or []
        middle = self.median(name, target)
        return (max(samples) - min(samples)) / 2 / middle if len(samples) > 1 and middle else None

    def rows(self) -> Iterable[tuple[Measure, float, float | None]]:
        """Every measure that was taken, in the catalogue's order: its value and the floor's."""
        for name, measure in MEASURES.items():
            value = self.median(name, SUBJECT)
            if value is not None:
                yield measure, value, self.median(name, FLOOR)

    def table(self) -> str:
        """For the terminal."""
        lines = [_line("", "value", "+-", "goal", "", "floor", "ratio"), "-" * 108]
        for measure, value, floor in self.rows():
            spread = self.spread(measure.name, SUBJECT)
            lines.append(
                _line(
                    measure.title,
                    f"{_number(value)} {measure.unit}",
                    "" if spread is None else f"{spread:.0%}",
                    "" if measure.goal is None else f"{'>' if measure.more else '<'} {measure.goal:g}",
                    {None: "", True: "yes", False: "NO"}[measure.met(value)],
                    "" if floor is None else _number(floor),
                    "" if not floor else f"{value / floor:.2f}",
                )
            )
        return "\n".join(lines)

    def save(self, options: dict[str, Any]) -> Path:
        """Write everything as JSON and return where."""
        return save("", {"options": options, "measures": self._document()})

    def _document(self) -> dict[str, Any]:
        return {name: self._of(MEASURES[name]) for name in self._samples}

    def _of(self, measure: Measure) -> dict[str, Any]:
        by_target = self._samples[measure.name].items()
        taken = {who: {"median": statistics.median(some), "samples": some} for who, some in by_target if some}
        return {"title": measure.title, "unit": measure.unit, "goal": measure.goal, **taken}


def save(what: str, content: dict[str, Any]) -> Path:
    """Write a result with its time and its machine as JSON below :data:`FOLDER`, and return where."""
    FOLDER.mkdir(exist_ok=True)
    now = datetime.now().astimezone()
    path = FOLDER / f"{now:%Y-%m-%dT%H%M%S}{what and f'-{what}'}.json"
    path.write_text(json.dumps({"time": now.isoformat(), "machine": _machine(), **content}, indent=2), "utf-8")
    return path


def _line(title: str, value: str, spread: str, goal: str, met: str, floor: str, ratio: str) -> str:
    return f"{title:50}{value:>15}{spread:>7}{goal:>9} {met:4}{floor:>11}{ratio:>9}".rstrip()


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _machine() -> dict[str, Any]:
    installed = {name: version for name in _LIBRARIES if (version := _version(name))}
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "libraries": installed,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def percentile(samples: Iterable[float], part: float) -> float:
    """The sample below which ``part`` (0 to 1) of them lie."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
