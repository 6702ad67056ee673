"""``python -m copaw`` is the ``copaw`` command."""

from __future__ import annotations

from copaw.cli.main import main

if __name__ == "__main__":
    main()
