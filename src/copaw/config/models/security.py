"""``security``: what tools, files and skills are guarded against."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copaw.config.models.base import ConfigModel


class ToolGuardRuleConfig(ConfigModel):
    """A rule of the user: patterns that are looked for in parameters of tools. Empty lists mean all."""

    id: str
    tools: list[str] = Field(default_factory=list)
    params: list[str] = Field(default_factory=list)
    category: str = "command_injection"
    severity: str = "HIGH"
    patterns: list[str] = Field(default_factory=list)
    exclude_patterns: list[str] = Field(default_factory=list)
    description: str = ""
    remediation: str = ""


class ToolGuardConfig(ConfigModel):
    """Which tool calls need an approval (``guarded_tools``, ``None`` = the default set) or are refused."""

    enabled: bool = True
    guarded_tools: list[str] | None = None
    denied_tools: list[str] = Field(default_factory=list)
    custom_rules: list[ToolGuardRuleConfig] = Field(default_factory=list)
    disabled_rules: list[str] = Field(default_factory=list)


class FileGuardConfig(ConfigModel):
    """Files and directories that tools must not touch."""

    enabled: bool = True
    sensitive_files: list[str] = Field(default_factory=list)


class SkillScannerWhitelistEntry(ConfigModel):
    """A skill that is let through; with ``content_hash`` only as long as it does not change."""

    skill_name: str
    content_hash: str = ""
    added_at: str = ""


class SkillScannerConfig(ConfigModel):
    """What happens when a skill looks dangerous. ``timeout`` in seconds."""

    mode: Literal["block", "warn", "off"] = "warn"
    timeout: int = Field(default=30, ge=5, le=300)
    whitelist: list[SkillScannerWhitelistEntry] = Field(default_factory=list)


class SecurityConfig(ConfigModel):
    """All guards."""

    tool_guard: ToolGuardConfig = Field(default_factory=ToolGuardConfig)
    file_guard: FileGuardConfig = Field(default_factory=FileGuardConfig)
    skill_scanner: SkillScannerConfig = Field(default_factory=SkillScannerConfig)
