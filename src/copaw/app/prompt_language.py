"""The language of an agent: of its prompt files, as far as their owner has not made them his own.

Blocking: on an event loop use ``asyncio.to_thread``.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from copaw.aiokits.files import write_atomic
from copaw.config.home import BOOTSTRAP_FILE, PROMPT_FILES, TEMPLATE_LANGUAGES, template_language
from copaw.errors import BadInput
from copaw.paths import Paths

_TAG = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE)


def checked_language(language: object) -> str:
    """``language`` if it is a language tag such as ``en``, ``zh`` or ``pt-BR``. :raises BadInput: it is not."""
    if not isinstance(language, str) or not _TAG.fullmatch(language.strip()):
        raise BadInput(
            f"language: {language!r} is no language tag. Use one such as {', '.join(TEMPLATE_LANGUAGES)}; for "
            "any other the prompt files are in English.",
            field="language",
        )
    return language.strip()


def switch_prompt_files(workspace_dir: Path, language: str, paths: Paths) -> list[str]:
    """Put the templates of ``language`` in place of files that are missing or still are a template.

    ``BOOTSTRAP.md`` is not brought back, because an agent deletes it after its first conversation.

    :param paths: gives the names of files that the environment can change.
    :returns: the names of the files that were written.
    :raises OSError: one could not be written; it is as it was.
    """
    written = []
    for name in (*PROMPT_FILES, BOOTSTRAP_FILE):
        path = workspace_dir / (paths.heartbeat_name if name == "HEARTBEAT.md" else name)
        wanted = _template(template_language(language), name)
        if _may_replace(path, name, wanted):
            write_atomic(path, wanted)
            written.append(path.name)
    return written


def _may_replace(path: Path, name: str, wanted: bytes) -> bool:
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        return name != BOOTSTRAP_FILE
    return present != wanted and any(present == _template(other, name) for other in TEMPLATE_LANGUAGES)


def _template(language: str, name: str) -> bytes:
    return (resources.files("copaw.config") / "templates" / language / name).read_bytes()
