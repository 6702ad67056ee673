"""Models of ``config.json`` (:class:`RootConfig`) and ``agent.json`` (:class:`AgentProfileConfig`)."""

from __future__ import annotations

from copaw.config.models.agent import (
    AgentProfileConfig,
    new_profile,
)
from copaw.config.models.base import (
    ConfigModel,
)
from copaw.config.models.channels import (
    BaseChannelConfig,
    ChannelConfig,
    ConsoleConfig,
    DingTalkConfig,
    DiscordConfig,
    FeishuConfig,
    IMessageChannelConfig,
    MatrixConfig,
    MattermostConfig,
    MQTTConfig,
    OneBotConfig,
    QQConfig,
    TelegramConfig,
    VoiceChannelConfig,
    WecomConfig,
    WeixinConfig,
    XiaoYiConfig,
)
from copaw.config.models.heartbeat import (
    ActiveHoursConfig,
    HeartbeatConfig,
)
from copaw.config.models.llm import (
    AgentsLLMRoutingConfig,
    ModelSlotConfig,
)
from copaw.config.models.mcp import (
    MCPClientConfig,
    MCPConfig,
)
from copaw.config.models.root import (
    AgentProfileRef,
    AgentsConfig,
    AgentsDefaultsConfig,
    RootConfig,
)
from copaw.config.models.run_state import (
    LastApiConfig,
    LastDispatchConfig,
)
from copaw.config.models.running import (
    AgentsRunningConfig,
    ContextCompactConfig,
    EmbeddingConfig,
    MemorySummaryConfig,
    ToolResultCompactConfig,
)
from copaw.config.models.security import (
    FileGuardConfig,
    SecurityConfig,
    SkillScannerConfig,
    SkillScannerWhitelistEntry,
    ToolGuardConfig,
    ToolGuardRuleConfig,
)
from copaw.config.models.tools import (
    BuiltinToolConfig,
    ToolsConfig,
    builtin_tool_defaults,
)

__all__ = [
    "ActiveHoursConfig",
    "AgentProfileConfig",
    "AgentProfileRef",
    "AgentsConfig",
    "AgentsDefaultsConfig",
    "AgentsLLMRoutingConfig",
    "AgentsRunningConfig",
    "BaseChannelConfig",
    "BuiltinToolConfig",
    "ChannelConfig",
    "ConfigModel",
    "ConsoleConfig",
    "ContextCompactConfig",
    "DingTalkConfig",
    "DiscordConfig",
    "EmbeddingConfig",
    "FeishuConfig",
    "FileGuardConfig",
    "HeartbeatConfig",
    "IMessageChannelConfig",
    "LastApiConfig",
    "LastDispatchConfig",
    "MCPClientConfig",
    "MCPConfig",
    "MQTTConfig",
    "MatrixConfig",
    "MattermostConfig",
    "MemorySummaryConfig",
    "ModelSlotConfig",
    "OneBotConfig",
    "QQConfig",
    "RootConfig",
    "SecurityConfig",
    "SkillScannerConfig",
    "SkillScannerWhitelistEntry",
    "TelegramConfig",
    "ToolGuardConfig",
    "ToolGuardRuleConfig",
    "ToolResultCompactConfig",
    "ToolsConfig",
    "VoiceChannelConfig",
    "WecomConfig",
    "WeixinConfig",
    "XiaoYiConfig",
    "builtin_tool_defaults",
    "new_profile",
]
