"""What a message tells a scripted model to do: the offline demo and the model server of the tests.

A directive is a line of the last user message. Everything else in the message is plain text.

==================================  ==========================================================================
``call TOOL {json}``                call that tool with these arguments (``{}`` if omitted); several lines are
                                    several calls, one in each turn; a tool that is not offered is left out
``say TEXT``                        answer exactly this at the end; ``{1}``, ``{2}``, ... are the stripped
                                    texts of the tool results; several lines are joined
``delay SECONDS``                   pause that long between chunks
``tokens N``                        answer with N short chunks
``think TEXT``                      think this before answering
``fail STATUS [times K]             server only: answer the first turn with this HTTP status, always or K
[retry-after S]``                   times, with that ``Retry-After`` header
``hang``                            server only: never answer the last turn
``cut``                             server only: close the connection in the middle of the last turn's answer
==================================  ==========================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_SENDER = re.compile(r"^\s*\[(?:Agent|来自智能体)\s[^\]\n]*\]\s*")
_CALL = re.compile(r"call\s+([\w.-]+)\s*(\{.*\})?\s*")
_FAIL = re.compile(r"fail\s+(\d{3})(?:\s+times\s+(\d+))?(?:\s+retry-after\s+(\d+(?:\.\d+)?))?\s*")
_DELAY = re.compile(r"delay\s+(\d+(?:\.\d+)?)\s*")
_TOKENS = re.compile(r"tokens\s+(\d+)\s*")
_RESULT = re.compile(r"\{(\d+)\}")
_CHUNKS = 24


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call to make."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error to answer with. ``times=None``: always."""

    status: int
    times: int | None = None
    retry_after_s: float | None = None


@dataclass(slots=True)
class Script:
    """The directives of one message. :param text: the lines that are none."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    say: str | None = None
    think: str = ""
    delay_s: float = 0.0
    tokens: int | None = None
    fail: Failure | None = None
    hang: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do now: make one call, or give the last answer.

    :param results: the stripped texts of the tool results so far.
    :param say: what to answer exactly, results filled in; ``None`` if the script does not say.
    """

    script: Script
    call: Call | None
    results: Sequence[str]
    say: str | None
    is_first: bool
    not_offered: Sequence[str] = ()

    def unknown_tools(self) -> str:
        """A sentence for every call that was left out, each after a blank."""
        return "".join(f" There is no tool '{name}' here." for name in self.not_offered)

    def chunks(self, default: str) -> list[str]:
        """The pieces of the last answer, ``default`` if the script does not say one."""
        if self.script.tokens is not None and self.say is None:
            return ["tok "] * self.script.tokens
        return pieces(default if self.say is None else self.say)


def parse(text: str) -> Script:
    """Read the directives. A line that looks like one but is not well formed is plain text."""
    script = Script()
    plain = []
    said = []
    for line in _SENDER.sub("", text, count=1).splitlines():
        stripped = line.strip()
        if stripped.startswith("say "):
            said.append(stripped[4:].strip())
        elif stripped.startswith("think "):
            script.think = stripped[6:].strip()
        elif not _directive(script, stripped):
            plain.append(line)
    script.say = "\n".join(said) if said else None
    script.text = "\n".join(plain).strip()
    return script


def next_turn(messages: Sequence[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]] = ()) -> Turn:
    """What the script of the last user message says to do after what has been done since.

    :param messages: as sent to OpenAI's chat completions.
    :param tools: the tool schemas that are offered, in the same format.
    """
    start = max((i for i, message in enumerate(messages) if _from_user(message)), default=None)
    script = parse(message_text(messages[start])) if start is not None else Script()
    since = messages[start + 1 :] if start is not None else []
    made = sum(len(message.get("tool_calls") or ()) for message in since)
    results = [message_text(message).strip() for message in since if message["role"] == "tool"]
    offered = {tool["function"]["name"] for tool in tools}
    calls = [call for call in script.calls if call.tool in offered]
    call = calls[made] if made < len(calls) else None
    say = None if script.say is None else _filled(script.say, results)
    missing = [call.tool for call in script.calls if call.tool not in offered]
    return Turn(script, call, results, say, is_first=made == 0, not_offered=missing)


def _from_user(message: Mapping[str, Any]) -> bool:
    """Images of a tool's result follow it in a message of the user's, which says so."""
    return message["role"] == "user" and not message_text(message).startswith("[Result of ")


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a message whose content is a text or a list of blocks."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block.get("type") == "text")


def results_text(results: Sequence[str]) -> str:
    """Tool results as a numbered list."""
    return "Results:\n" + "\n".join(f"{number}. {text}" for number, text in enumerate(results, start=1))


def pieces(text: str, most: int = _CHUNKS) -> list[str]:
    """Cut a text between words into at most ``most`` pieces, which joined give the text again."""
    words = re.findall(r"\s*\S+\s*", text) or ([text] if text else [])
    size = -(-len(words) // most) or 1
    return ["".join(words[i : i + size]) for i in range(0, len(words), size)]


def _directive(script: Script, line: str) -> bool:
    if line in ("hang", "cut"):
        script.hang = script.hang or line == "hang"
        script.cut = script.cut or line == "cut"
    elif match := _DELAY.fullmatch(line):
        script.delay_s = float(match[1])
    elif match := _TOKENS.fullmatch(line):
        script.tokens = int(match[1])
    elif match := _FAIL.fullmatch(line):
        script.fail = Failure(int(match[1]), int(match[2]) if match[2] else None, float(match[3]) if match[3] else None)
    elif match := _CALL.fullmatch(line):
        return _call(script, match)
    else:
        return False
    return True


def _call(script: Script, match: re.Match[str]) -> bool:
    try:
        arguments = json.loads(match[2] or "{}")
    except json.JSONDecodeError:
        return False
    script.calls.append(Call(match[1], arguments))
    return True


def _filled(text: str, results: Sequence[str]) -> str:
    def result(match: re.Match[str]) -> str:
        number = int(match[1])
        return results[number - 1] if 1 <= number <= len(results) else match[0]

    return _RESULT.sub(result, text)
