"""The HTTP server that a :class:`copaw.testing.channels.PollChannel` polls."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from copaw.ports import Json


class PollServer:
    """Keeps updates until a poll confirms them with a higher offset, and answers a poll when there is one.

    :param polls: how often it was polled.
    :param most_pollers: how many polled with one token at the same time, at most.
    """

    def __init__(self) -> None:
        self.url = ""
        self.polls = 0
        self.most_pollers = 0
        self.delivered: Counter[str] = Counter()
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.polling = asyncio.Event()
        self._pollers: Counter[str] = Counter()
        self._updates: list[Json] = []
        self._next = 1
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[PollServer]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def say(self, message_id: str, text: str, *, session_id: str = "s", user_id: str = "u") -> None:
        """A message for whoever polls."""
        message = {"id": message_id, "session_id": session_id, "user_id": user_id, "text": text}
        async with self._news:
            self._updates.append({"offset": self._next, "message": message})
            self._next += 1
            self._news.notify_all()

    def unconfirmed(self) -> list[str]:
        """Message ids that no poll has confirmed."""
        return [update["message"]["id"] for update in self._updates]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="poll-server")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while request := await reader.readuntil(b"\r\n\r\n"):
                    answer = await self._answer(request.decode(), reader)
                    if answer is None:
                        return
                    body = json.dumps(answer).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    await writer.drain()
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader) -> list[Json] | Json | None:
        first, *headers = head.split("\r\n")
        address = urlsplit(first.split(" ")[1])
        if address.path == "/updates":
            query = {key: values[0] for key, values in parse_qs(address.query).items()}
            return await self._poll(int(query["offset"]), query["token"], reader)
        lengths = [line.split(":")[1] for line in headers if line.lower().startswith("content-length:")]
        self.sent.put_nowait(json.loads(await reader.readexactly(int(lengths[0])))["text"])
        return {}

    async def _poll(self, offset: int, token: str, reader: asyncio.StreamReader) -> list[Json] | None:
        self.polls += 1
        self._updates = [update for update in self._updates if update["offset"] >= offset]
        self._pollers[token] += 1
        self.most_pollers = max(self.most_pollers, self._pollers[token])
        self.polling.set()
        try:
            return await self._news_or_hangup(reader)
        finally:
            self._pollers[token] -= 1

    async def _news_or_hangup(self, reader: asyncio.StreamReader) -> list[Json] | None:
        """The updates there are, as soon as there is one; ``None`` when the poller hung up meanwhile."""
        news = asyncio.ensure_future(self._wait_news())
        hangup = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait([news, hangup], return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                return None
            for update in self._updates:
                self.delivered[update["message"]["id"]] += 1
            return list(self._updates)
        finally:
            for task in (news, hangup):
                task.cancel()
            await asyncio.gather(news, hangup, return_exceptions=True)

    async def _wait_news(self) -> None:
        async with self._news:
            await self._news.wait_for(lambda: bool(self._updates))
