"""Trying out a provider or a model with a real request, and saying truthfully what came of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeVar

from agentscope.message import Msg

from copaw.errors import BadInput, ModelError
from copaw.providers.answer import Answer, Piece
from copaw.providers.conversation import Senses
from copaw.providers.failures import CallFailure, NotTheProtocol, StatusFailure, TookTooLong, Unreachable, without_key
from copaw.providers.limits import LLMLimits
from copaw.providers.model_lists import list_models
from copaw.providers.models import DEMO_PROVIDER_ID, ModelInfo, ProviderInfo
from copaw.providers.protocols import address_of, formatter_of, wire_of
from copaw.providers.provider_model import CallSettings, ProviderChatModel
from copaw.providers.rate_limit import ProviderGate
from copaw.providers.transport import Transport

TIMEOUT_VARIABLE = "COPAW_MODEL_PROVIDER_CHECK_TIMEOUT"
_DEFAULT_TIMEOUT_S = 5.0
_ONCE = LLMLimits(retry_enabled=False, max_qpm=0)
_COLOUR = "red"
_QUESTION = "Which colour is this {kind}? Answer with the English name of the colour alone."
_NO_LIST = (404, 405, 501)
_OTHER_REASONS = frozenset({401, 403, 408, 429, 503})
"""What says nothing about the media that were sent."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checked:
    """:param message: one or two sentences for people; on failure with the way out."""

    success: bool
    message: str


@dataclass(frozen=True, slots=True)
class Discovered(Checked):
    """:param models: those the provider offers for chats."""

    models: list[ModelInfo] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sees:
    """:param able: ``None``: it could not be found out."""

    able: bool | None
    message: str


def check_timeout_s(environ: Mapping[str, str]) -> float:
    """How long a check may take. :raises BadInput: the variable is no number above 0."""
    text = environ.get(TIMEOUT_VARIABLE) or str(_DEFAULT_TIMEOUT_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise BadInput(f"{TIMEOUT_VARIABLE} must be a number of seconds above 0, not {text!r}.", field=TIMEOUT_VARIABLE)
    return seconds


class ProviderChecks:
    """Makes checks. Each is one request that is not tried again and counts for no limit.

    :param timeout_s: the longest a check may take.
    """

    def __init__(self, transport: Transport, timeout_s: float) -> None:
        self._transport = transport
        self._timeout_s = timeout_s

    async def provider(self, info: ProviderInfo) -> Checked:
        """Whether the provider answers and takes the key: asks for its list of models."""
        if (missing := _missing(info)) is not None:
            return missing
        if not info.support_connection_check:
            return Checked(False, f"Provider '{info.id}' has nothing to check but its models. Test one of them.")
        try:
            models = await self._within(list_models(self._transport, info, self._timeout_s))
        except StatusFailure as error:
            if error.status not in _NO_LIST:
                return Checked(False, self._sentence(error, info))
            said = (
                f"It answers at {address_of(info)} and has no list of models, so the key was not tried. Test a model."
            )
            return Checked(True, said)
        except CallFailure as error:
            return Checked(False, self._sentence(error, info))
        return Checked(True, f"Provider '{info.id}' answers and offers {len(models)} models.")

    async def model(self, info: ProviderInfo, model_id: str) -> Checked:
        """Whether a model answers: says hello to it and waits for the first word."""
        if (missing := _missing(info)) is not None:
            return missing
        try:
            await self._within(self._first_word(info, model_id))
        except CallFailure as error:
            return Checked(False, self._sentence(error, info))
        except ModelError as error:
            return Checked(False, error.message)
        return Checked(True, f"Model '{model_id}' of provider '{info.id}' answers.")

    async def discover(self, info: ProviderInfo) -> Discovered:
        """The models that the provider lists."""
        if (missing := _missing(info)) is not None:
            return Discovered(missing.success, missing.message)
        try:
            models = await self._within(list_models(self._transport, info, self._timeout_s))
        except StatusFailure as error:
            if error.status in _NO_LIST:
                add = f"Add them by their id with `copaw models add-model {info.id}`."
                return Discovered(False, f"Provider '{info.id}' has no list of models at {address_of(info)}. {add}")
            return Discovered(False, self._sentence(error, info))
        except CallFailure as error:
            return Discovered(False, self._sentence(error, info))
        return Discovered(True, f"Provider '{info.id}' offers {len(models)} models.", models)

    async def sees(self, info: ProviderInfo, model_id: str, kind: str) -> Sees:
        """Whether a model takes images or videos: shows it one in one colour and asks for the colour.

        :param kind: ``image`` or ``video``.
        """
        if info.chat_model == "AnthropicChatModel" and kind == "video":
            return Sees(False, "The protocol has no videos.")
        if (missing := _missing(info)) is not None:
            return Sees(None if not missing.success else False, missing.message)
        blocks = [await asyncio.to_thread(_probe, kind), {"type": "text", "text": _QUESTION.format(kind=kind)}]
        try:
            answer = await self._within(self._ask(info, model_id, blocks))
        except CallFailure as error:
            return Sees(None, self._sentence(error, info))
        except ModelError as error:
            return Sees(await self._refused(error, info, model_id), error.message)
        said = " ".join(block["text"] for block in answer.blocks() if block["type"] == "text").strip()
        if _COLOUR in said.lower():
            return Sees(True, f"It saw the colour of the {kind}.")
        return Sees(False, f"It did not see the colour of the {kind}; it said: {said[:100]!r}.")

    async def _refused(self, error: ModelError, info: ProviderInfo, model_id: str) -> bool | None:
        """``False`` if a model that answers otherwise has refused what it was shown."""
        cause = error.__cause__
        if not isinstance(cause, StatusFailure) or cause.status in _OTHER_REASONS:
            return None
        return False if (await self.model(info, model_id)).success else None

    async def _within(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await work
        except TimeoutError:
            raise TookTooLong from None

    def _model(self, info: ProviderInfo, model_id: str) -> ProviderChatModel:
        settings = CallSettings.of(info, address_of(info), model_id)
        return ProviderChatModel(
            model_id,
            wire=wire_of(info),
            settings=lambda: settings,
            transport=self._transport,
            gate=ProviderGate(info.id),
            limits=_ONCE,
        )

    async def _first_word(self, info: ProviderInfo, model_id: str) -> None:
        prompt = await formatter_of(info).format([Msg("user", "Say hello.", "user")])
        async with aclosing(self._model(info, model_id).converse(prompt)) as said:
            async for heard in said:
                if any(isinstance(item, Piece) for item in heard):
                    return
        raise NotTheProtocol("it is an answer without a word")

    async def _ask(self, info: ProviderInfo, model_id: str, blocks: list[Any]) -> Answer:
        prompt = await formatter_of(info, Senses).format([Msg("user", blocks, "user")])
        return await self._model(info, model_id).answer(prompt)

    def _sentence(self, error: CallFailure, info: ProviderInfo) -> str:
        where = f"Provider '{info.id}' at {address_of(info)}"
        mend = f"Check its address with `copaw models config-key {info.id}`."
        match error:
            case StatusFailure(status=401 | 403):
                refused = f"Provider '{info.id}' refused the API key ({error.status}: {error.said})."
                sentence = f"{refused} Set it with `copaw models config-key {info.id}`."
            case StatusFailure():
                sentence = f"{where} answered {error.status}: {error.said}. {mend}"
            case TookTooLong():
                more = f"Check that it is running, or allow more with {TIMEOUT_VARIABLE}."
                sentence = f"{where} did not answer within {self._timeout_s:g} s. {more}"
            case NotTheProtocol():
                sentence = f"{where} does not speak the protocol of {info.chat_model}: {error}. {mend}"
            case Unreachable():
                sentence = f"{where} cannot be reached: {error}. Check that it is running. {mend}"
            case _:
                sentence = f"{where} broke off: {error}."
        return without_key(sentence, info)


def _missing(info: ProviderInfo) -> Checked | None:
    """What must be set before anything can be asked; the offline demo needs no asking."""
    if info.id == DEMO_PROVIDER_ID:
        return Checked(True, "The offline demo is part of the server and always answers.")
    config = f"Set it with `copaw models config-key {info.id}`."
    if not info.base_url:
        return Checked(False, f"Provider '{info.id}' has no address yet. {config}")
    if info.require_api_key and not info.api_key:
        return Checked(False, f"Provider '{info.id}' has no API key yet. {config}")
    return None


def _probe(kind: str) -> dict[str, Any]:
    name, media_type = {"image": ("probe.png", "image/png"), "video": ("probe.mp4", "video/mp4")}[kind]
    data = resources.files(__package__).joinpath(name).read_bytes()
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    return {"type": kind, "source": source}
