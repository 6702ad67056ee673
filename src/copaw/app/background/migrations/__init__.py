"""How the ledger's tables came to be. Run at start by :mod:`copaw.app.background.database`."""
