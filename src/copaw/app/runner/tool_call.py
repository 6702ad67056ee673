"""One tool call as a run of its own, beside the conversation that it came from."""

from __future__ import annotations

import json
import uuid

from copaw.app.runner.ending import ending
from copaw.app.runner.events import CALLS, ResponseStream
from copaw.app.runner.speaker import ResponseSpeaker
from copaw.errors import ToolFailed
from copaw.ports import EventSink, Json, Tool, ToolContext, Turn


async def run_tool_call(
    turn: Turn, name: str, arguments: Json, emit: EventSink, tool: Tool | None, context: ToolContext
) -> None:
    """Make the call. Its events are those of a turn that consists of the call and its result.

    :param tool: ``None`` if this generation has none of that name.
    """
    stream = ResponseStream(emit, turn.response_id, turn.session_id, turn.created_at)
    speaker = ResponseSpeaker(stream)
    call = {"id": f"call_{uuid.uuid4().hex}", "name": name}
    with ending(stream, turn):
        stream.begin()
        turn.on_started()
        message = stream.open_message(CALLS[False], "assistant")
        shown = json.dumps(arguments, ensure_ascii=False)
        message.data({"call_id": call["id"], "name": name, "arguments": shown}, "completed")
        message.complete()
        if tool is None:
            raise ToolFailed(f"The agent has no tool {name} any more.")
        result = await tool(context, arguments)
        speaker.tool_result(call, result.content)
        if result.is_error:
            raise ToolFailed(f"{name} reported an error.")
