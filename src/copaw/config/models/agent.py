"""``agent.json``: the configuration of one agent, in its workspace directory."""

from __future__ import annotations

from pydantic import Field

from copaw.config.models.base import ConfigModel
from copaw.config.models.channels import ChannelConfig
from copaw.config.models.heartbeat import HeartbeatConfig
from copaw.config.models.llm import AgentsLLMRoutingConfig, ModelSlotConfig
from copaw.config.models.mcp import MCPConfig
from copaw.config.models.run_state import LastDispatchConfig
from copaw.config.models.running import AgentsRunningConfig
from copaw.config.models.security import SecurityConfig
from copaw.config.models.tools import ToolsConfig


def default_system_prompt_files() -> list[str]:
    """The files of a workspace that make up the system prompt, in order."""
    return ["AGENTS.md", "SOUL.md", "PROFILE.md"]


class AgentProfileConfig(ConfigModel):
    """One agent. A section that is ``None`` is not configured here and has its defaults."""

    id: str
    name: str
    description: str = ""
    workspace_dir: str = ""
    channels: ChannelConfig | None = None
    mcp: MCPConfig | None = None
    heartbeat: HeartbeatConfig | None = None
    last_dispatch: LastDispatchConfig | None = None
    running: AgentsRunningConfig = Field(default_factory=AgentsRunningConfig)
    llm_routing: AgentsLLMRoutingConfig = Field(default_factory=AgentsLLMRoutingConfig)
    active_model: ModelSlotConfig | None = None
    language: str = "zh"
    system_prompt_files: list[str] = Field(default_factory=default_system_prompt_files)
    tools: ToolsConfig | None = None
    security: SecurityConfig | None = None


def new_profile(
    agent_id: str, name: str, *, description: str = "", workspace_dir: str = "", language: str = "zh"
) -> AgentProfileConfig:
    """A profile with every section filled in, as it is written for a new agent."""
    return AgentProfileConfig(
        id=agent_id,
        name=name,
        description=description,
        workspace_dir=workspace_dir,
        language=language,
        channels=ChannelConfig(),
        mcp=MCPConfig(),
        tools=ToolsConfig(),
        security=SecurityConfig(),
    )
