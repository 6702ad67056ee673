"""``channels``: one section for each way to talk with an agent; a custom channel adds its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from copaw.config.models.base import ConfigModel

AccessPolicy = Literal["open", "allowlist"]
"""Who may write: everybody, or those in ``allow_from`` alone."""


class BaseChannelConfig(ConfigModel):
    """What all channels share.

    ``bot_prefix`` is put before each answer, the ``filter_*`` switches hide tool calls and thinking from the
    chat, ``deny_message`` is answered to people who are not let in, ``require_mention`` ignores messages of a
    group that do not name the bot.
    """

    enabled: bool = False
    bot_prefix: str = ""
    filter_tool_messages: bool = False
    filter_thinking: bool = False
    dm_policy: AccessPolicy = "open"
    group_policy: AccessPolicy = "open"
    allow_from: list[str] = Field(default_factory=list)
    deny_message: str = ""
    require_mention: bool = False


class IMessageChannelConfig(BaseChannelConfig):
    """iMessage, read from the database of the Messages application on macOS."""

    db_path: str = "~/Library/Messages/chat.db"
    poll_sec: float = 1.0
    media_dir: str | None = None
    max_decoded_size: int = 10 * 1024 * 1024


class DiscordConfig(BaseChannelConfig):
    """A Discord bot."""

    bot_token: str = ""
    http_proxy: str = ""
    http_proxy_auth: str = ""
    accept_bot_messages: bool = False


class DingTalkConfig(BaseChannelConfig):
    """A DingTalk robot in stream mode."""

    client_id: str = ""
    client_secret: str = ""
    message_type: str = "markdown"
    card_template_id: str = ""
    card_template_key: str = "content"
    robot_code: str = ""
    media_dir: str | None = None
    card_auto_layout: bool = False


class FeishuConfig(BaseChannelConfig):
    """A Feishu or Lark application."""

    app_id: str = ""
    app_secret: str = ""
    encrypt_key: str = ""
    verification_token: str = ""
    media_dir: str | None = None
    domain: Literal["feishu", "lark"] = "feishu"


class QQConfig(BaseChannelConfig):
    """A QQ bot."""

    app_id: str = ""
    client_secret: str = ""
    markdown_enabled: bool = True
    max_reconnect_attempts: int = 100


class TelegramConfig(BaseChannelConfig):
    """A Telegram bot."""

    bot_token: str = ""
    http_proxy: str = ""
    http_proxy_auth: str = ""
    show_typing: bool | None = None


class MattermostConfig(BaseChannelConfig):
    """A Mattermost bot account."""

    url: str = ""
    bot_token: str = ""
    media_dir: str | None = None
    show_typing: bool | None = None
    thread_follow_without_mention: bool = False


class MQTTConfig(BaseChannelConfig):
    """A pair of MQTT topics."""

    host: str = ""
    port: int | None = None
    transport: str = ""
    clean_session: bool = True
    qos: int = 2
    username: str | None = None
    password: str | None = None
    subscribe_topic: str = ""
    publish_topic: str = ""
    tls_enabled: bool = False
    tls_ca_certs: str | None = None
    tls_certfile: str | None = None
    tls_keyfile: str | None = None


class ConsoleConfig(BaseChannelConfig):
    """The web console; on unless switched off."""

    enabled: bool = True
    media_dir: str | None = None


class MatrixConfig(BaseChannelConfig):
    """A Matrix account."""

    homeserver: str = ""
    user_id: str = ""
    access_token: str = ""


class VoiceChannelConfig(BaseChannelConfig):
    """Phone calls through Twilio."""

    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    phone_number: str = ""
    phone_number_sid: str = ""
    tts_provider: str = "google"
    tts_voice: str = "en-US-Journey-D"
    stt_provider: str = "deepgram"
    language: str = "en-US"
    welcome_greeting: str = "Hi! This is CoPaw. How can I help you?"


class WecomConfig(BaseChannelConfig):
    """A WeCom bot. ``max_reconnect_attempts`` -1 means without end."""

    bot_id: str = ""
    secret: str = ""
    media_dir: str | None = None
    welcome_text: str = ""
    max_reconnect_attempts: int = -1


class XiaoYiConfig(BaseChannelConfig):
    """A Huawei XiaoYi agent."""

    ak: str = ""
    sk: str = ""
    agent_id: str = ""
    ws_url: str = "wss://hag.cloud.huawei.com/openclaw/v1/ws/link"
    task_timeout_ms: int = 3_600_000


class WeixinConfig(BaseChannelConfig):
    """A personal Weixin account."""

    bot_token: str = ""
    bot_token_file: str = ""
    base_url: str = ""
    media_dir: str | None = None


class OneBotConfig(BaseChannelConfig):
    """A OneBot v11 reverse WebSocket."""

    ws_host: str = "0.0.0.0"
    ws_port: int = 6199
    access_token: str = ""
    share_session_in_group: bool = False


class ChannelConfig(ConfigModel):
    """All channels of an agent."""

    imessage: IMessageChannelConfig = Field(default_factory=IMessageChannelConfig)
    discord: DiscordConfig = Field(default_factory=DiscordConfig)
    dingtalk: DingTalkConfig = Field(default_factory=DingTalkConfig)
    feishu: FeishuConfig = Field(default_factory=FeishuConfig)
    qq: QQConfig = Field(default_factory=QQConfig)
    telegram: TelegramConfig = Field(default_factory=TelegramConfig)
    mattermost: MattermostConfig = Field(default_factory=MattermostConfig)
    mqtt: MQTTConfig = Field(default_factory=MQTTConfig)
    console: ConsoleConfig = Field(default_factory=ConsoleConfig)
    matrix: MatrixConfig = Field(default_factory=MatrixConfig)
    voice: VoiceChannelConfig = Field(default_factory=VoiceChannelConfig)
    wecom: WecomConfig = Field(default_factory=WecomConfig)
    xiaoyi: XiaoYiConfig = Field(default_factory=XiaoYiConfig)
    weixin: WeixinConfig = Field(default_factory=WeixinConfig)
    onebot: OneBotConfig = Field(default_factory=OneBotConfig)
