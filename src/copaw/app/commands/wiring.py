"""The commands of a server."""

from __future__ import annotations

from copaw.aiokits.keyed import KeyedLocks
from copaw.app.commands.agent_commands import AgentCommands
from copaw.app.commands.registry import CommandRegistry
from copaw.app.commands.server_commands import ServerCommands
from copaw.app.commands.service import ChatCommands
from copaw.app.commands.session_commands import SessionCommands
from copaw.app.multi_agent_manager import MultiAgentManager
from copaw.app.runner.chat_books import ChatBooks
from copaw.config.store import ConfigStore
from copaw.providers.store import ProviderStore


def make_commands(
    manager: MultiAgentManager, chats: ChatBooks, locks: KeyedLocks, config: ConfigStore, providers: ProviderStore
) -> ChatCommands:
    """Every chat command there is."""
    registry = CommandRegistry()
    registry.add(
        *SessionCommands(manager, locks).commands(),
        *AgentCommands(manager, config, providers).commands(),
        *ServerCommands(config.paths.log_file, registry.all).commands(),
    )
    return ChatCommands(manager, chats, locks, registry)
