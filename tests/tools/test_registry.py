from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from copaw.tools.registry import BUILTIN, UNAVAILABLE, builtin_tools, enabled_tools

CONTRACT = Path(__file__).parents[1] / "contract" / "samples" / "tools.json"
ARGUMENTS = {
    "execute_shell_command": ["command", "timeout", "cwd"],
    "read_file": ["file_path", "start_line", "end_line"],
    "write_file": ["file_path", "content"],
    "edit_file": ["file_path", "old_text", "new_text", "replace_all"],
    "grep_search": ["pattern", "path", "is_regex", "case_sensitive", "context_lines", "include_pattern"],
    "glob_search": ["pattern", "path"],
    "view_image": ["image_path"],
    "send_file_to_user": ["file_path"],
    "get_current_time": [],
    "set_user_timezone": ["timezone_name"],
}


def test_tools_are_those_of_the_contract_in_its_order_with_its_icons() -> None:
    listed = json.loads(CONTRACT.read_text(encoding="utf-8"))
    elsewhere = (*UNAVAILABLE, "get_token_usage")  # which is made with the server
    assert [tool["name"] for tool in listed if tool["name"] not in elsewhere] == list(builtin_tools())
    assert {tool["name"] for tool in listed} == {*builtin_tools(), *elsewhere}
    icons = {tool["name"]: tool["icon"] for tool in listed}
    assert {tool.name: tool.icon for tool in BUILTIN} == {name: icons[name] for name in builtin_tools()}


def test_arguments_have_the_names_that_prompts_use() -> None:
    assert {name: list(tool.parameters["properties"]) for name, tool in builtin_tools().items()} == ARGUMENTS


def test_every_tool_is_on_unless_switched_off() -> None:
    assert [tool.name for tool in enabled_tools({})] == list(builtin_tools())
    on = enabled_tools({"read_file": False, "write_file": True, "browser_use": True, "get_token_usage": False})
    assert [tool.name for tool in on] == [name for name in builtin_tools() if name != "read_file"]


def test_the_package_imports_neither_an_agent_engine_nor_a_web_framework() -> None:
    heavy = "{'agentscope', 'fastapi', 'starlette', 'httpx', 'openai', 'mcp'}"
    code = f"import sys, copaw.tools.registry; sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
