from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from copaw.errors import LifecycleBug
from copaw.providers.failures import CallFailure, NotTheProtocol, StatusFailure, TookTooLong, Unreachable
from copaw.providers.transport import HttpRequest, Transport
from copaw.testing.eventually import eventually
from copaw.testing.raw_http import http, raw_server

OK = http(b"hello", "text/plain")


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


async def fetch(transport: Transport, url: str, timeout_s: float = 5.0, limit_bytes: int = 100) -> bytes:
    async with transport.send(HttpRequest("GET", url, read_timeout_s=timeout_s)) as reply:
        return await reply.read(limit_bytes)


async def test_an_answer_is_read(transport: Transport) -> None:
    async with raw_server([OK]) as server:
        assert await fetch(transport, server.url) == b"hello"
        assert server.requests[0][0].startswith("GET /v1 HTTP/1.1\r\n")
        assert "User-Agent: copaw/" in server.requests[0][0]


async def test_a_body_has_a_limit(transport: Transport) -> None:
    async with raw_server([http(b"x" * 101, "text/plain")]) as server:
        with pytest.raises(NotTheProtocol, match="larger than 100 bytes"):
            await fetch(transport, server.url)


async def test_an_error_status_has_the_words_and_the_wait(transport: Transport) -> None:
    script = http(b'{"error": "Slow."}', "application/json", "429 Slow", "retry-after: 7")
    async with raw_server([script]) as server:
        with pytest.raises(StatusFailure) as caught:
            await fetch(transport, server.url)
    assert (caught.value.status, caught.value.said, caught.value.retry_after_s) == (429, "Slow", 7.0)


@pytest.mark.parametrize("script", [[], [http(b"hello")[:-2]]], ids=["no answer", "half an answer"])
async def test_silence_takes_too_long(transport: Transport, script: list[bytes]) -> None:
    async with raw_server(script, hold=True) as server:
        with pytest.raises(TookTooLong):
            await fetch(transport, server.url, timeout_s=0.05)


async def test_nobody_listens(transport: Transport, unused_tcp_port: int) -> None:
    with pytest.raises(Unreachable, match="refused"):
        await fetch(transport, f"http://127.0.0.1:{unused_tcp_port}/v1")


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/", "http://"])
async def test_an_address_that_is_none(transport: Transport, url: str) -> None:
    with pytest.raises(Unreachable):
        await fetch(transport, url)


async def test_a_server_that_does_not_speak_tls(transport: Transport) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        with pytest.raises(Unreachable):
            await fetch(transport, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")


def certificate(directory: Path) -> Path:
    """A key and a certificate for localhost that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "localhost.pem"
    path.write_bytes(secret + made.public_bytes(pem))
    return path


async def test_a_certificate_must_be_trusted(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    async with raw_server([OK], tls=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(Unreachable, match=r"certificate is not trusted \(self.signed certificate\)"):
            await fetch(transport, url)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        trusting = Transport()
        assert await fetch(trusting, url) == b"hello"
        await trusting.aclose()


async def test_a_connection_that_was_closed_meanwhile_is_replaced(transport: Transport) -> None:
    async with raw_server([OK]) as server:
        for _ in range(20):  # the server closes each connection behind its answer, at about the time of the next one
            assert await fetch(transport, server.url) == b"hello"
        assert len(server.requests) == 20


async def test_calls_to_a_host_go_through_the_proxy_of_the_environment(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server([OK]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await fetch(transport, "http://provider.invalid/v1") == b"hello"
        assert proxy.requests[0][0].startswith("GET http://provider.invalid/v1 HTTP/1.1")
        async with raw_server([OK]) as server:
            await fetch(transport, server.url)
            assert len(server.requests) == 1


async def test_a_proxy_of_another_kind_is_refused(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://user:secret@127.0.0.1:1")
    with pytest.raises(Unreachable, match="socks5 proxy") as caught:
        await fetch(transport, "http://provider.invalid/v1")
    assert "secret" not in str(caught.value)


async def test_a_closed_transport_sends_nothing_and_ends_what_is_under_way(transport: Transport) -> None:
    async with raw_server([http(b"hello")[:-2]], hold=True) as server:
        call = asyncio.create_task(fetch(transport, server.url))
        await eventually(lambda: bool(server.requests), "the request arrived")
        await transport.aclose()
        with pytest.raises(CallFailure):
            await call
        with pytest.raises(LifecycleBug):
            await fetch(transport, server.url)
