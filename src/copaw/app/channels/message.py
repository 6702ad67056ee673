"""What passes between a channel and the agent behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from copaw.ports import Json


@dataclass(frozen=True, slots=True)
class Target:
    """Where an answer goes.

    :param meta: what the channel itself put into the message that is answered; empty if nothing is answered.
    """

    user_id: str
    session_id: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message that came in.

    :param id: the transport's own id, by which a message that is delivered twice is known; empty if it has none.
    :param session_id: the conversation; its messages are handled one after the other.
    :param content: content items of the protocol, such as ``{"type": "text", "text": ...}``.
    :param meta: what the channel needs to answer, such as a chat id; it comes back in :class:`Target`.
    :param is_group: several people write there.
    :param mentions_bot: the message names the bot, or speaks to it alone.
    """

    id: str
    session_id: str
    user_id: str
    content: Sequence[Json]
    meta: Mapping[str, Any] = field(default_factory=dict)
    is_group: bool = False
    mentions_bot: bool = False

    @classmethod
    def of_text(cls, message_id: str, session_id: str, user_id: str, text: str, **fields: Any) -> InboundMessage:
        return cls(message_id, session_id, user_id, [text_part(text)], **fields)

    @property
    def text(self) -> str:
        """All text of the message."""
        return text_of(self.content)

    @property
    def target(self) -> Target:
        """Where its answer goes."""
        return Target(self.user_id, self.session_id, self.meta)


class Received(StrEnum):
    """What became of a message that came in. All but ``closed`` mean that it need not be delivered again."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    DENIED = "denied"
    FULL = "full"
    CLOSED = "closed"

    @property
    def settled(self) -> bool:
        """Whether the transport may forget the message."""
        return self is not Received.CLOSED


MessageHandler = Callable[[InboundMessage], Awaitable[Received]]
"""Takes a message that came in. It does not wait for the answer, which comes through ``BaseChannel.send``."""


def text_part(text: str) -> Json:
    """A text item."""
    return {"type": "text", "text": text}


def text_of(parts: Sequence[Json]) -> str:
    """The text of content items."""
    return "\n".join(str(part["text"]) for part in parts if part.get("type") == "text" and part.get("text"))
