"""Small files of settings that are no more than a JSON object."""

from __future__ import annotations

from pathlib import Path

from copaw.aiokits.files import read_json
from copaw.errors import ConfigFileError
from copaw.ports import Json


def read_object(path: Path) -> Json:
    """What a file holds, ``{}`` if there is none. Blocking.

    :raises ConfigFileError: it cannot be read or holds no JSON object.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigFileError(path, str(error)) from error
    if not isinstance(value, dict):
        raise ConfigFileError(path, "must hold a JSON object")
    return value
