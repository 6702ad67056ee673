"""Commands on the server."""

from __future__ import annotations

import pytest

import copaw
from copaw.app.commands.server_commands import MAX_BYTES


async def test_the_version(talk):
    assert await talk.say("/version") == await talk.say("/daemon version") == f"copaw {copaw.__version__}"


async def test_help_lists_every_command(talk):
    names = [line.split("`")[1].split()[0] for line in (await talk.say("/help")).splitlines()[1:]]
    assert names == [
        "/stop", "/new", "/clear", "/compact", "/history", "/model", "/status", "/restart", "/reload-config",
        "/version", "/logs", "/daemon", "/help",
    ]  # fmt: skip


async def test_the_group_names_its_members(talk):
    names = "/daemon status, /daemon restart, /daemon reload-config, /daemon version, /daemon logs"
    assert names in await talk.say("/daemon")
    response = await talk.response("/daemon dance")
    assert response["status"] == "failed"
    assert names in response["error"]["message"]


async def test_the_end_of_the_log(talk):
    assert await talk.say("/logs") == "There is no log yet."
    log = talk.services.paths.log_file
    log.write_text("")
    assert await talk.say("/logs") == "The log is empty."
    log.write_text("".join(f"line {number} ß\n" for number in range(20_000)), "utf-8")
    assert await talk.say("/logs 2") == await talk.say("/daemon logs 2") == ("```\nline 19998 ß\nline 19999 ß\n```")
    assert len((await talk.say("/logs")).splitlines()) == 102
    lines = (await talk.say("/logs 2000")).splitlines()[1:-1]
    assert len(lines) == 2000
    assert all(line.startswith("line ") and line.endswith(" ß") for line in lines)
    log.write_text("x" * 300_000 + "\nlast\n")
    assert await talk.say("/logs 2000") == "```\nlast\n```"
    log.write_text("y" * 40_000 + "\n" + "z" * 40_000)
    assert len(await talk.say("/logs 2000")) <= MAX_BYTES


@pytest.mark.parametrize("given", ["0", "2001", "-1", "many", "1 2"])
async def test_a_number_of_lines_that_is_none_is_refused(talk, given):
    response = await talk.response(f"/logs {given}")
    assert response["error"]["code"] == "BAD_INPUT"
