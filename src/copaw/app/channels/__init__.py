"""Ways to talk with an agent. A channel knows its transport and nothing of agents, and never another channel."""
