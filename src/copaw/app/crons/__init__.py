"""Scheduled jobs and the heartbeat of an agent. They belong to the agent and outlive its generations."""
