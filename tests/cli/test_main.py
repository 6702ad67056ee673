from __future__ import annotations

import subprocess
import sys

from copaw import __version__

HEAVY = ("agentscope", "fastapi", "pydantic", "httpx", "rich", "uvicorn", "asyncio", "http.client")


def test_help_names_the_commands_and_exits_0(run) -> None:
    for flag in ("--help", "-h"):
        result = run(flag)
        assert result.exit_code == 0
        for name in ("agents", "app", "chats", "drill", "init", "models", "version"):
            assert f"\n  {name} " in result.stdout
        assert "\n  agent " not in result.stdout


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys\nfrom copaw.cli.main import main\nsys.argv = ['copaw', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert not [name for name in HEAVY if name in loaded]
    ours = {name for name in loaded if name.startswith("copaw.cli")}
    assert ours == {"copaw.cli", "copaw.cli.main", "copaw.cli.lazy", "copaw.cli.context"}


def test_a_chat_needs_no_heavy_library() -> None:
    code = (
        "import sys\nfrom copaw.cli.main import main\n"
        "sys.argv = 'copaw agents chat --task-id x --base-url http://127.0.0.1:9'.split()\n"
        "try:\n    main()\nexcept SystemExit:\n    print('\\n'.join(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"agentscope", "fastapi", "pydantic", "httpx", "rich", "uvicorn"} & set(done.stdout.split())


def test_version_is_told_twice(run) -> None:
    assert run("--version").stdout == f"copaw, version {__version__}\n"
    assert run("version").stdout == f"{__version__}\n"


def test_an_unknown_command_is_wrong_usage(run) -> None:
    result = run("nonsense")
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.stderr


def test_python_m_copaw_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "copaw", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


def test_the_alias_is_the_same_command(run) -> None:
    assert run("agent", "--help").stdout.replace("copaw agent ", "copaw agents ") == run("agents", "--help").stdout
    assert run("chat", "list", "--help").exit_code == 0
