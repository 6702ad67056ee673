"""Who may write to an agent, and what is said to those who may not."""

from __future__ import annotations

from enum import Enum

from copaw.app.channels.message import InboundMessage
from copaw.config.models import BaseChannelConfig


class Verdict(Enum):
    """What becomes of a message before anybody reads it."""

    ADMIT = "admit"
    IGNORE = "ignore"
    DENY = "deny"


def judge(config: BaseChannelConfig, message: InboundMessage) -> Verdict:
    """Apply ``require_mention``, ``dm_policy``, ``group_policy`` and ``allow_from``.

    A message in a group that does not speak to the bot is ignored even if its sender would be denied, so that
    nobody is scolded for talking with others.
    """
    if message.is_group and config.require_mention and not message.mentions_bot:
        return Verdict.IGNORE
    policy = config.group_policy if message.is_group else config.dm_policy
    if policy == "open" or message.user_id in config.allow_from:
        return Verdict.ADMIT
    return Verdict.DENY
