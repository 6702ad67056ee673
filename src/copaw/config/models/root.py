"""``config.json``: the agents there are, and what they share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from copaw.config.models.agent import default_system_prompt_files
from copaw.config.models.base import ConfigModel
from copaw.config.models.channels import ChannelConfig
from copaw.config.models.heartbeat import HeartbeatConfig
from copaw.config.models.llm import AgentsLLMRoutingConfig
from copaw.config.models.mcp import MCPConfig
from copaw.config.models.run_state import LastApiConfig, LastDispatchConfig
from copaw.config.models.running import AgentsRunningConfig
from copaw.config.models.security import SecurityConfig
from copaw.config.models.tools import ToolsConfig
from copaw.config.timezone import system_timezone


class AgentProfileRef(ConfigModel):
    """Where an agent lives and whether it runs."""

    id: str
    workspace_dir: str
    enabled: bool = True


class AgentsDefaultsConfig(ConfigModel):
    """What an agent has that does not say otherwise."""

    heartbeat: HeartbeatConfig | None = None


class AgentsConfig(ConfigModel):
    """The agents and what is common to them."""

    active_agent: str = "default"
    agent_order: list[str] = Field(default_factory=list)
    profiles: dict[str, AgentProfileRef] = Field(default_factory=dict)
    defaults: AgentsDefaultsConfig | None = None
    running: AgentsRunningConfig = Field(default_factory=AgentsRunningConfig)
    llm_routing: AgentsLLMRoutingConfig = Field(default_factory=AgentsLLMRoutingConfig)
    language: str = "zh"
    installed_md_files_language: str | None = None
    system_prompt_files: list[str] = Field(default_factory=default_system_prompt_files)
    audio_mode: Literal["auto", "native"] = "auto"
    transcription_provider_type: Literal["disabled", "whisper_api", "local_whisper"] = "disabled"
    transcription_provider_id: str = ""
    transcription_model: str = "whisper-1"


class RootConfig(ConfigModel):
    """The whole file."""

    channels: ChannelConfig = Field(default_factory=ChannelConfig)
    mcp: MCPConfig = Field(default_factory=MCPConfig)
    tools: ToolsConfig = Field(default_factory=ToolsConfig)
    last_api: LastApiConfig = Field(default_factory=LastApiConfig)
    agents: AgentsConfig = Field(default_factory=AgentsConfig)
    last_dispatch: LastDispatchConfig | None = None
    security: SecurityConfig = Field(default_factory=SecurityConfig)
    show_tool_details: bool = True
    user_timezone: str = Field(default_factory=system_timezone)
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict)
