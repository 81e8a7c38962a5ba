"""A small real HTTP server that misbehaves on purpose, one behaviour per request, in order; the last one repeats."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

Send = Callable[[bytes], Awaitable[None]]
Behaviour = Callable[[Send], Awaitable[None]]


def piece(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


USAGE = b'data: {"id":"1","created":0,"model":"m","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


async def answer(send: Send) -> None:
    await send(STREAM + piece("fi") + piece("ne", "stop") + USAGE + b"data: [DONE]\n\n")


async def break_off(send: Send) -> None:
    """The connection ends in the middle, as when the server dies."""
    await send(STREAM + piece("fi"))


async def hang(send: Send) -> None:
    await send(STREAM + piece("fi"))
    await asyncio.sleep(60)


async def trickle(send: Send) -> None:
    """Never silent for long, never done."""
    await send(STREAM)
    while True:
        await send(piece("."))
        await asyncio.sleep(0.02)


async def hang_up(send: Send) -> None:
    """Not even a status line."""


async def filtered(send: Send) -> None:
    await send(STREAM + piece("", "content_filter") + b"data: [DONE]\n\n")


def status(code: int, message: str = "no", *, headers: str = "", kind: str | None = None) -> Behaviour:
    body = json.dumps({"error": {"message": message, "code": kind, "type": "x"}}).encode()

    head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def behave(send: Send) -> None:
        await send(head.encode() + body)

    return behave


class Faulty:
    """`starts` holds when each completion was asked for, `open` how many of them are still connected."""

    def __init__(self, behaviours: Sequence[Behaviour], models: Sequence[str]) -> None:
        self.behaviours, self.models = list(behaviours), models
        self.starts: list[float] = []
        self.bodies: list[dict] = []
        self.open = 0
        self.most = 0
        self.address = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length")), 0)
        body = await reader.readexactly(length)
        try:
            if head.startswith("GET"):
                rows = [{"id": name, "object": "model", "created": 0, "owned_by": "somebody"} for name in self.models]
                data = json.dumps({"object": "list", "data": rows}).encode()
                await send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + data)
            else:
                await self.complete(json.loads(body), reader, send)
        finally:
            writer.close()

    async def complete(self, body: dict, reader: asyncio.StreamReader, send: Send) -> None:
        number = len(self.starts)
        self.starts.append(time.monotonic())
        self.bodies.append(body)
        self.open += 1
        self.most = max(self.most, self.open)
        work = asyncio.ensure_future(self.behaviours[min(number, len(self.behaviours) - 1)](send))
        gone = asyncio.ensure_future(reader.read())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
            self.open -= 1


@contextmanager
def faulty(*behaviours: Behaviour, models: Sequence[str] = ("m",)) -> Iterator[Faulty]:
    state, loop = Faulty(behaviours, models), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(state.serve, "127.0.0.1", 0)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    state.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield state
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
