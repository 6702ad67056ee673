"""One configuration file: the last good state of it in memory, and changes that never lose another's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from copaw.aiokits.arrivals import Arrivals
from copaw.aiokits.files import decode_json, encode_json, write_atomic
from copaw.config.merge import merge_changes, same_json
from copaw.config.models.base import ConfigModel
from copaw.config.problems import file_error, input_error, shown
from copaw.config.shared_parts import SharedParts, not_shared
from copaw.errors import BadInput, ConfigFileError
from copaw.ports import Json

M = TypeVar("M", bound=ConfigModel)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[M]):
    """What a file held: its bytes, their hash, and the model of it."""

    content: bytes
    content_hash: str
    model: M

    @property
    def raw(self) -> Json:
        """The JSON as it was; a new copy each time. Kept as bytes, which take a fifth of the memory."""
        raw: Json = decode_json(self.content)
        return raw


class ConfigFile(Generic[M]):
    """A JSON file with a model. The caller holds ``lock`` around fetching, writing and adopting.

    :param parts: what other files have in force; its own alone if omitted.
    :param arrivals: requests that go first; none if omitted.
    """

    def __init__(
        self, path: Path, model_type: type[M], parts: SharedParts | None = None, arrivals: Arrivals | None = None
    ) -> None:
        self.path = path
        self.lock = asyncio.Lock()
        self.snapshot: Snapshot[M] | None = None
        self.problem: ConfigFileError | None = None
        self._model_type = model_type
        self._parts = parts or SharedParts()
        self._arrivals = arrivals or Arrivals()

    async def fetch(self) -> Snapshot[M]:
        """Read and check what is on disk, without putting it in force.

        :raises ConfigFileError: the file is missing or not valid; the last good state stays in force and
            ``problem`` is set.
        """
        try:
            return await asyncio.to_thread(read_snapshot, self.path, self._model_type, self.snapshot)
        except ConfigFileError as error:
            self.problem = error
            raise

    def means_the_same(self, snapshot: Snapshot[M]) -> bool:
        """Whether ``snapshot`` says what is in force already."""
        known = self.snapshot
        if known is None or known is snapshot:
            return known is snapshot
        apart = not_shared(known.model, snapshot.model)
        return same_json(known.model.model_dump(include=apart), snapshot.model.model_dump(include=apart))

    def adopt(self, snapshot: Snapshot[M]) -> bool:
        """Put ``snapshot`` in force; ``True`` if it says something else than before."""
        self.problem = None
        if snapshot is self.snapshot:
            return False
        self._parts.share(snapshot.model)
        changed = not self.means_the_same(snapshot)
        self.snapshot = snapshot
        return changed

    async def write(self, change: Callable[[M], None]) -> Snapshot[M] | None:
        """Apply ``change`` to a copy, check the whole, and replace the file if its JSON really differs.

        :returns: what the file holds now, to be adopted; ``None`` if somebody else wrote it since it was
            adopted, in which case nothing was written.
        :raises BadInput: the result is not valid, with the dotted path of the field; nothing was written.
        :raises ConfigFileError: it could not be written; the old file is still there.
        """
        known = self.snapshot
        if known is None:
            raise self.problem or ConfigFileError(self.path, "has not been read yet")
        changed = await self._changed(known, change)
        if changed is None:
            return known
        raw, model = changed
        await self._arrivals.give_way()
        content = await asyncio.to_thread(replace_if_unchanged, self.path, known.content_hash, raw)
        return None if content is None else Snapshot(content, _hash(content), model)

    async def _changed(self, known: Snapshot[M], change: Callable[[M], None]) -> tuple[Json, M] | None:
        """What is to be written, and what it will be read as; ``None`` if that is what is there.

        Most of a millisecond of work, so requests are let in between.
        """
        try:
            # A copy: cheaper than a deep one, and made by the same way as what is in force.
            draft = self._model_type.model_validate(known.model.model_dump(warnings=False))
            change(draft)
            await self._arrivals.give_way()
            before, asked, old = known.model.model_dump(), draft.model_dump(warnings=False), known.raw
            with suppress(ValueError, TypeError):  # what is wrong with it is said below, of the whole
                if (expressed := await self._expressed(old, before, asked)) is not None:
                    return None if same_json(expressed[0], old) else expressed
            await self._arrivals.give_way()
            model = self._model_type.model_validate(asked)
            after = model.model_dump()
            # The file may leave something to a default that the merge cannot express.
            raw, written = await self._expressed(old, before, after) or (after, model)
            return None if same_json(raw, old) else (raw, written)
        except ValidationError as error:
            raise input_error(error) from error
        except (TypeError, ValueError) as error:
            raise _not_json(error) from error

    async def _expressed(self, old: Json, before: Json, after: Json) -> tuple[Json, M] | None:
        """``old`` with the change from ``before`` to ``after``, and its model; ``None`` if it says something else."""
        raw = merge_changes(old, before, after)
        await self._arrivals.give_way()
        model = self._model_type.model_validate(raw)
        return (raw, model) if same_json(model.model_dump(), after) else None


def _not_json(error: Exception) -> BadInput:
    return BadInput(f"the change cannot be written as JSON: {error}")


def read_snapshot(path: Path, model_type: type[M], known: Snapshot[M] | None = None) -> Snapshot[M]:
    """Read and check a file. Blocking. ``known`` is returned as it is when the bytes are still the same.

    :raises ConfigFileError: it is missing, cannot be read, is not UTF-8 JSON or does not validate.
    """
    content = _bytes_of(path)
    if known is not None and known.content_hash == _hash(content):
        return known
    return parse(path, content, model_type)


def parse(path: Path, content: bytes, model_type: type[M]) -> Snapshot[M]:
    """Check the bytes of a file.

    :raises ConfigFileError: names the file, the field and the value.
    """
    try:
        raw = decode_json(content)
    except ValueError as error:
        raise ConfigFileError(path, f"{error}. Mend the file or restore a copy of it") from error
    if not isinstance(raw, dict):
        raise ConfigFileError(path, "must hold a JSON object", value=shown(raw))
    try:
        return Snapshot(content, _hash(content), model_type.model_validate(raw))
    except ValidationError as error:
        raise file_error(path, error) from error


def replace_if_unchanged(path: Path, expected_hash: str, raw: Json) -> bytes | None:
    """Write unless the file is no longer the one that was read, and return what was written. Blocking.

    :raises BadInput: JSON has no form for something in ``raw``.
    :raises ConfigFileError: the file is gone, cannot be read or cannot be written; it is as it was.
    """
    try:
        content = encode_json(raw)
    except (TypeError, ValueError) as error:
        raise _not_json(error) from error
    if _hash(_bytes_of(path)) != expected_hash:
        return None
    try:
        write_atomic(path, content)
    except OSError as error:
        raise ConfigFileError(path, f"cannot be written: {error.strerror}. It is as it was before") from error
    return content


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigFileError(path, "does not exist. Restore it, or make a new one with `copaw init`") from error
    except OSError as error:
        raise ConfigFileError(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # no path has a NUL character
        raise ConfigFileError(repr(str(path)), f"cannot be read: {error}") from error


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
