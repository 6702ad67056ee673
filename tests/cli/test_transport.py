from __future__ import annotations

import socket

import pytest

from copaw.cli.transport import NoServer, ServerRefused, ServerSilent, Transport
from copaw.errors import BadInput


def test_the_agent_the_query_and_the_body_arrive(server) -> None:
    server.on("POST", "/api/x", {"ok": True})
    answer = Transport(server.base_url, agent_id="helper").call(
        "POST", "/api/x", query={"a": "1", "b": None}, body={"ü": 1}
    )
    assert answer == {"ok": True}
    request = server.seen[0]
    assert (request.query, request.body) == ({"a": "1"}, {"ü": 1})
    assert request.headers["x-agent-id"] == "helper"


def test_without_an_agent_no_header_is_sent(server) -> None:
    server.on("GET", "/api/x", [])
    Transport(server.base_url).call("GET", "/api/x")
    assert "x-agent-id" not in server.seen[0].headers


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"detail": "Agent 'x' not found."}, "Agent 'x' not found."),
        ({"error": {"code": "CONFLICT", "message": "Busy."}}, "Busy."),
        ({"error": "Busy."}, "Busy."),
        ({"detail": [{"loc": ["body", "name"], "msg": "Field required"}]}, "body.name: Field required"),
        ("<html>", "The server answered 418"),
    ],
)
def test_an_error_status_is_raised_with_the_servers_sentence(server, body, sentence) -> None:
    server.on("GET", "/api/x", body, status=418)
    with pytest.raises(ServerRefused, match=sentence) as caught:
        Transport(server.base_url).call("GET", "/api/x")
    assert caught.value.status == 418


def test_nobody_listening_is_told_with_the_way_to_start_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NoServer, match="copaw app"):
        Transport(f"http://127.0.0.1:{port}").call("GET", "/api/x")


def test_a_server_that_never_answers_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        transport = Transport(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.05)
        with pytest.raises(ServerSilent, match=r"0\.05 s"):
            transport.call("GET", "/api/x")


def test_a_foreign_page_is_not_mistaken_for_an_answer(server) -> None:
    server.on("GET", "/api/x", "<html>hello</html>")
    with pytest.raises(ServerSilent, match="text/html"):
        Transport(server.base_url).call("GET", "/api/x")


def test_json_where_a_stream_is_due_is_refused(server) -> None:
    server.on("POST", "/api/x", {"fine": True})
    with pytest.raises(ServerSilent):
        list(Transport(server.base_url).events("/api/x", {}))


@pytest.mark.parametrize("base_url", ["http://h:notaport", "http://[::1"])
def test_a_malformed_address_is_bad_input(base_url: str) -> None:
    with pytest.raises(BadInput):
        Transport(base_url).call("GET", "/api/x")


def test_an_agent_id_that_no_header_can_carry_is_bad_input() -> None:
    with pytest.raises(BadInput, match="agent id"):
        Transport("http://127.0.0.1:1", agent_id="a\nb")
