from __future__ import annotations

import asyncio
import logging

import pytest
from pydantic import Field

from copaw.errors import NotFound
from copaw.ports import Tool, ToolContext, ToolResult
from copaw.tools.base import Arguments, FunctionTool, define


class Greeting(Arguments):
    name: str = Field(min_length=1)
    times: int = Field(1, ge=1, le=3)
    language: str | None = None


async def greet(context: ToolContext, arguments: Greeting) -> ToolResult:
    return ToolResult.text(" ".join([f"hi {arguments.name}"] * arguments.times))


GREET = define("greet", "Greets.", Greeting, greet, icon="👋")


def failing(error: BaseException) -> FunctionTool[Arguments]:
    async def fail(context: ToolContext, arguments: Arguments) -> ToolResult:
        raise error

    return define("fail", "Fails.", Arguments, fail)


def text(result: ToolResult) -> str:
    assert result.is_error
    return str(result.content[0]["text"])


def test_a_defined_tool_is_a_tool() -> None:
    tool: Tool = GREET
    assert (tool.name, tool.description, GREET.icon) == ("greet", "Greets.", "👋")
    assert tool.parameters is tool.parameters


async def test_valid_arguments_reach_the_function(context: ToolContext) -> None:
    assert await GREET(context, {"name": "Ann", "times": "2"}) == ToolResult.text("hi Ann hi Ann")


async def test_null_stands_for_an_argument_left_out(context: ToolContext) -> None:
    result = await GREET(context, {"name": "Ann", "times": None, "language": None})
    assert result == ToolResult.text("hi Ann")


async def test_every_field_at_fault_is_named_with_what_was_expected(context: ToolContext) -> None:
    message = text(await GREET(context, {"times": 9, "nmae": "Ann"}))
    assert message.splitlines() == [
        "The arguments of greet are not valid:",
        "- name: is required and missing",
        "- times: Input should be less than or equal to 3 (got 9)",
        "- nmae: there is no such argument",
        "It takes: name (required), times, language.",
    ]


async def test_null_for_a_required_argument_and_long_values_are_shown_short(context: ToolContext) -> None:
    message = text(await GREET(context, {"name": None, "times": "x" * 1000}))
    assert "- name: Input should be a valid string (got None)" in message
    assert len(message) < 400


async def test_half_a_character_is_refused_and_not_a_defect(context: ToolContext) -> None:
    assert "- name: " in text(await GREET(context, {"name": "\ud83d"}))


async def test_an_expected_failure_is_its_message(context: ToolContext) -> None:
    assert text(await failing(NotFound("There is no moon."))(context, {})) == "There is no moon."


async def test_a_failure_of_the_system_is_a_sentence(context: ToolContext) -> None:
    error = PermissionError(13, "Permission denied", "/etc/shadow")
    assert text(await failing(error)(context, {})) == "fail failed: Permission denied: /etc/shadow"
    assert text(await failing(TimeoutError())(context, {})) == "fail failed: TimeoutError."


async def test_a_defect_is_logged_with_traceback_and_does_not_escape(
    context: ToolContext, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="copaw.tools"):
        message = text(await failing(ZeroDivisionError("oops"))(context, {}))
    assert "ZeroDivisionError: oops" in message
    [record] = caplog.records
    assert record.exc_info is not None
    assert "tool fail failed unexpectedly (agent default)" in record.getMessage()


async def test_cancellation_always_passes(context: ToolContext) -> None:
    with pytest.raises(asyncio.CancelledError):
        await failing(asyncio.CancelledError())(context, {})
