"""Settings of the whole server that have an operation of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from copaw.aiokits.files import write_json_atomic
from copaw.app.crons.cron_expression import zone_of
from copaw.app.prompt_language import checked_language
from copaw.app.services import Services
from copaw.config.json_object import read_object
from copaw.errors import ConfigFileError

DEFAULT_LANGUAGE = "en"


async def language(services: Services) -> str:
    """The language of the web console. :raises ConfigFileError: ``settings.json`` cannot be used."""
    path = services.paths.settings_file
    found = (await asyncio.to_thread(read_object, path)).get("language", DEFAULT_LANGUAGE)
    if not isinstance(found, str):
        raise ConfigFileError(path, "must be a text", field="language", value=repr(found)[:80])
    return found


async def set_language(services: Services, wanted: str) -> str:
    """Remember the language of the web console.

    :raises BadInput: it is no language tag.
    :raises ConfigFileError: ``settings.json`` cannot be used; it is left as it is.
    """
    tag = checked_language(wanted)
    path = services.paths.settings_file
    async with services.locks.hold(path):
        await asyncio.to_thread(_write_language, path, tag)
    return tag


async def set_timezone(services: Services, name: str) -> str:
    """Set the user's time zone; it counts at once. :raises BadInput: there is no such zone."""
    name = name.strip()
    await asyncio.to_thread(zone_of, name, field="timezone")
    await services.set_user_timezone(name)
    return name


def _write_language(path: Path, tag: str) -> None:
    settings = read_object(path)
    if settings.get("language") != tag:
        write_json_atomic(path, {**settings, "language": tag})
