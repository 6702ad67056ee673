"""Completion works in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_COPAW_COMPLETE={shell}_complete" in result.stdout


def test_another_shell_is_wrong_usage(run) -> None:
    assert run("completion", "tcsh").exit_code == 2


def test_the_first_word_is_completed_without_importing_a_command() -> None:
    words = {"COMP_WORDS": "copaw ch", "COMP_CWORD": "ch", "_COPAW_COMPLETE": "fish_complete"}
    command = [sys.executable, "-X", "importtime", "-c", "from copaw.cli.main import main\nmain()\n"]
    done = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True, check=False)
    assert "chats" in done.stdout
    assert "chat\t" not in done.stdout
    assert "copaw.cli.chats" not in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_a_subcommand(tmp_path: Path) -> None:
    tool = tmp_path / "copaw"
    tool.write_text(f"#!{sys.executable}\nfrom copaw.cli.main import main\nmain()\n")
    tool.chmod(0o755)
    script = (
        'eval "$(copaw completion bash)"; COMP_WORDS=(copaw agents re); COMP_CWORD=2; '
        '_copaw_completion copaw; echo "${COMPREPLY[@]}"'
    )
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["reload"], done.stderr
