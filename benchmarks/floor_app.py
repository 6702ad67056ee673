"""The floor: the bare framework, with nothing of ours around it.

An ``AgentApp`` of agentscope-runtime with a plain ``ReActAgent`` on an ``OpenAIChatModel``: no session files, no
chat list, no tools, no reloads. ``python -m benchmarks.floor_app MODEL_URL PORT``.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from agentscope.agent import ReActAgent
from agentscope.formatter import OpenAIChatFormatter
from agentscope.memory import InMemoryMemory
from agentscope.model import OpenAIChatModel
from agentscope.pipeline import stream_printing_messages
from agentscope.tool import Toolkit
from agentscope_runtime.engine.app import AgentApp


def make(model_url: str) -> AgentApp:
    """The application. The model is made once, the agent for each request, as its documentation has it."""
    app = AgentApp(app_name="floor", app_description="The bare framework.", enable_stream_task=True)
    model = OpenAIChatModel("scripted", api_key="none", stream=True, client_kwargs={"base_url": model_url})

    @app.query(framework="agentscope")  # type: ignore[untyped-decorator]
    async def query(self: Any, msgs: Any, request: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        agent = ReActAgent(
            name="floor",
            sys_prompt="You are a helpful assistant.",
            model=model,
            formatter=OpenAIChatFormatter(),
            toolkit=Toolkit(),
            memory=InMemoryMemory(),
        )
        agent.set_console_output_enabled(False)
        async for msg, last in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
            yield msg, last

    return app


if __name__ == "__main__":
    make(sys.argv[1]).run(host="127.0.0.1", port=int(sys.argv[2]))
