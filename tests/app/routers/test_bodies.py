from __future__ import annotations

import pytest

from copaw.app._app import app


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/agents", b'{"name": NaN}', "name"),
        ("PUT", "/agents/default", rb'{"name": "\ud800"}', "name"),
        ("PUT", "/agent/running-config", b'{"future": [0, {"a": -Infinity}]}', "future.1.a"),
        ("PUT", "/agent/system-prompt-files", rb'["a", "\udfff"]', "1"),
        ("PUT", "/agent/files/A", rb'{"content": "\ud800"}', "content"),
        ("PUT", "/config/channels/qq", rb'{"x\ud800": 1}', "x?"),
        ("PUT", "/models/ollama/config", b'{"generate_kwargs": {"t": Infinity}}', "generate_kwargs.t"),
        ("POST", "/chats", b'{"session_id": "s", "user_id": "u", "meta": {"a": NaN}}', "meta.a"),
    ],
)
async def test_what_no_file_and_no_answer_can_hold_is_refused_at_the_door(server, method, path, body, field):
    headers = {"Content-Type": "application/json"}
    response = await server.client.request(method, f"/api{path}", content=body, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["field"] == field
    await server.call("GET", "/agents/default")
    await server.call("GET", "/chats")


async def test_every_operation_that_takes_json_refuses_what_cannot_be_answered_again(server):
    headers = {"Content-Type": "application/json"}
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                url = path.replace("{agentId}", "default")
                response = await server.client.request(method, url, content=rb'{"x": "\ud800"}', headers=headers)
                assert "surrogate" in response.text, (method, path, response.text)


@pytest.mark.parametrize("given", [None, [], "", 5, True, {"role": "user", "content": "x"}, ["x"], [{}, None]])
async def test_a_response_to_no_messages_is_refused_by_name(server, given):
    path = "/agent/compatible-mode/v1/responses"
    for body in ({"input": given}, {"input": given, "stream": True}):
        assert (await server.error("POST", path, body, status=422))["field"] == "input"


async def test_a_body_that_is_no_json_is_refused(server):
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"\xff", b"[" * 5000 + b"]" * 5000):
        response = await server.client.put("/api/agent/running-config", content=body, headers=headers)
        assert response.status_code in (400, 422)


@pytest.mark.parametrize("path", ["/models", "/chats", "/agents", "/agent/process", "/console/chat"])
async def test_a_body_that_no_parser_gets_through_is_refused_wherever_it_is_sent(server, path):
    for method in ("GET", "POST"):
        response = await server.client.request(method, f"/api{path}", content=b"[" * 100_000)
        assert response.status_code < 500


@pytest.mark.parametrize("part", [rb'"session_id": "\ud800"', b'"x": ' + b"[" * 100 + b"]" * 100, b'"x": 1e999'])
async def test_a_request_that_could_not_be_kept_is_refused_in_the_stream(server, part):
    body = b'{"input": [{"content": [{"type": "text", "text": "a"}]}], ' + part + b"}"
    response = await server.client.post("/api/agent/process", content=body)
    assert response.status_code == 200
    assert "error" in response.text
    assert "sequence_number" not in response.text


async def test_a_body_that_is_nested_too_deeply_is_refused_and_a_deep_one_is_kept(server):
    def nested(levels: int) -> dict:
        return {"a": nested(levels - 1)} if levels else {}

    assert "deep" in (await server.error("PUT", "/agents/default", nested(300), status=422))["message"]
    await server.call("PUT", "/agents/default", nested(60))
    assert (await server.call("GET", "/agents/default"))["a"] == nested(59)


async def test_text_of_every_language_is_kept(server):
    body = {"description": "Grüße 你好 😀", "future": {"é": None}}
    await server.call("PUT", "/agents/default", body)
    shown = await server.call("GET", "/agents/default")
    assert {key: shown[key] for key in body} == body


def test_the_interface_description_names_the_documents_of_1_0_2():
    paths = app.openapi()["paths"]
    for path, name in [
        ("/api/agents/{agentId}", "AgentProfileConfig"),
        ("/api/agent/running-config", "AgentsRunningConfig"),
        ("/api/config/channels", "ChannelConfig"),
    ]:
        schema = paths[path]["put"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["$ref"] == f"#/components/schemas/{name}"
