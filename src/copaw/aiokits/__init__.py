"""Small tools for asyncio and files that know nothing of agents: leases, owned tasks, keyed locks, atomic writes."""
