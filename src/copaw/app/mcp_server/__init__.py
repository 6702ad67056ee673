"""copaw as an MCP server: its agents as tools of other programs."""
