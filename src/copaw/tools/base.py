"""How a tool is made from a function and a model of its arguments."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from copaw.errors import CopawError
from copaw.ports import Json, ToolContext, ToolResult
from copaw.tools.schema import parameters_of

logger = logging.getLogger(__name__)

_SHOWN_VALUE_CHARS = 80


class Arguments(BaseModel):
    """Base of every tool's arguments: an argument that is not known is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True)
class FunctionTool(Generic[A]):
    """A :class:`copaw.ports.Tool` around one coroutine function. Make it with :func:`define`."""

    name: str
    description: str
    arguments: type[A]
    run: Callable[[ToolContext, A], Awaitable[ToolResult]]
    icon: str = "🔧"

    @cached_property
    def parameters(self) -> Json:
        """JSON schema of the arguments object, made once."""
        return parameters_of(self.arguments)

    def problem_with(self, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with these arguments, for a model to read; ``None`` if nothing is."""
        try:
            self.arguments.model_validate(_given(self.arguments, arguments))
        except ValidationError as error:
            return _explain(self.name, self.arguments, error)
        return None

    async def __call__(self, context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        """Validate and run. Bad arguments and failures come back as results; only cancellation is raised."""
        try:
            values = self.arguments.model_validate(_given(self.arguments, arguments))
        except ValidationError as error:
            return ToolResult.text(_explain(self.name, self.arguments, error), is_error=True)
        try:
            return await self.run(context, values)
        except CopawError as error:
            return ToolResult.text(error.message, is_error=True)
        except OSError as error:
            return ToolResult.text(f"{self.name} failed: {_sentence(error)}", is_error=True)
        except Exception as error:
            # The supervisor of every tool: a defect of one must not end the run.
            logger.exception("tool %s failed unexpectedly (agent %s)", self.name, context.agent_id)
            text = f"{self.name} failed unexpectedly ({type(error).__name__}: {error}). Try another way."
            return ToolResult.text(text, is_error=True)


def define(
    name: str,
    description: str,
    arguments: type[A],
    run: Callable[[ToolContext, A], Awaitable[ToolResult]],
    *,
    icon: str = "🔧",
) -> FunctionTool[A]:
    """Make a tool.

    :param arguments: a subclass of :class:`Arguments`; its field descriptions are what the model reads.
    :param run: may raise :class:`~copaw.errors.CopawError` or :class:`OSError` for expected failures.
    """
    return FunctionTool(name, description, arguments, run, icon)


def _given(model: type[Arguments], arguments: Mapping[str, Any]) -> Json:
    """The arguments without those that are null and may be left out: models often write both."""
    return {
        name: value
        for name, value in arguments.items()
        if value is not None or name not in model.model_fields or model.model_fields[name].is_required()
    }


def _explain(tool: str, model: type[Arguments], error: ValidationError) -> str:
    lines = [f"The arguments of {tool} are not valid:"]
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"]) or "arguments"
        if problem["type"] == "missing":
            lines.append(f"- {where}: is required and missing")
        elif problem["type"] == "extra_forbidden":
            lines.append(f"- {where}: there is no such argument")
        else:
            lines.append(f"- {where}: {problem['msg']} (got {_shown(problem['input'])})")
    lines.append(f"It takes: {_known(model)}.")
    return "\n".join(lines)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_VALUE_CHARS else text[:_SHOWN_VALUE_CHARS] + "..."


def _known(model: type[Arguments]) -> str:
    names = [name + (" (required)" if field.is_required() else "") for name, field in model.model_fields.items()]
    return ", ".join(names) or "no arguments"


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{reason}: {error.filename}" if error.filename else f"{reason}."
