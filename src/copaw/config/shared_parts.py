"""Equal parts of configurations as one object: most agents are configured alike in most of it."""

from __future__ import annotations

from weakref import WeakValueDictionary

from copaw.config.models.base import ConfigModel


class SharedParts:
    """Knows the parts in use. Models in force are never changed, so that equal ones need not be two."""

    def __init__(self) -> None:
        self._parts: WeakValueDictionary[tuple[type, str], ConfigModel] = WeakValueDictionary()

    def share(self, model: ConfigModel) -> None:
        """Put parts that are in use already in the place of equal ones of ``model``, which nobody has seen yet."""
        for name, part in model:
            if isinstance(part, ConfigModel):
                # Not by assignment: that would tell of a field that somebody has set.
                model.__dict__[name] = self._parts.setdefault((type(part), part.model_dump_json()), part)


def not_shared(one: ConfigModel, other: ConfigModel) -> set[str]:
    """The top-level fields in which two models do not hold the same object. No others can differ."""
    mine, theirs = dict(one), dict(other)
    return {name for name in {**mine, **theirs} if name not in mine or mine[name] is not theirs.get(name, mine)}
