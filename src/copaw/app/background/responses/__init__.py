"""OpenAI Responses in background mode, on the tasks of the ledger."""
