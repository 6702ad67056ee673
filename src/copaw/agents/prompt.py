"""The system prompt of an agent, from the prompt files in its workspace."""

from __future__ import annotations

from pathlib import Path

_FALLBACK = "You are a personal assistant. Be helpful, precise and brief."


class PromptFiles:
    """Reads prompt files, each again only after it has changed on disk.

    Agents and people edit these files all the time; they are content, not configuration, so a change needs no
    reload: the next turn reads it.

    :param root: the workspace directory.
    :param names: file names in the order in which they appear in the prompt.
    """

    def __init__(self, root: Path, names: list[str]) -> None:
        self._root = root
        self._names = names
        self._cache: dict[str, tuple[tuple[int, int], str]] = {}
        self.text = _FALLBACK
        """What :meth:`read` found last."""

    def read(self) -> str:
        """The files' text, one section each. A missing or empty file is skipped. Blocking."""
        sections = [text for name in self._names if (text := self._section(name))]
        self.text = "\n\n".join(sections) or _FALLBACK
        return self.text

    def _section(self, name: str) -> str:
        path = self._root / name
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            cached = self._cache.get(name)
            if cached is not None and cached[0] == stamp:
                return cached[1]
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            self._cache.pop(name, None)
            return ""
        section = f"# {name}\n\n{text}" if text else ""
        self._cache[name] = (stamp, section)
        return section


def environment_section(*, agent_id: str, workspace_dir: Path, session_id: str, user_id: str, channel: str) -> str:
    """What the agent should know of where it is."""
    return (
        "# Environment\n\n"
        f"- Your agent id: {agent_id}\n"
        f"- Your working directory: {workspace_dir}\n"
        f"- This conversation: session {session_id}, user {user_id}, channel {channel}\n"
    )
