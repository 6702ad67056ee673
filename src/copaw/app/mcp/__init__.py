"""MCP clients: tools of other servers, opened once, shared, kept over every reload."""
