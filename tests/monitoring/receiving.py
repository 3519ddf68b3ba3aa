"""Receivers of webhooks and mail that run beside a test: each answers as it is told, and keeps what came."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Receiver:
    """`answers` are given in turn, the last one for ever; `hangs` answers nothing."""

    answers: list[bytes] = field(default_factory=list)
    hangs: bool = False
    port: int = 0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=secret"

    async def serve_http(self, reader, writer):
        self.writers.append(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
        headers = dict(line.lower().split(": ", 1) for line in head if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((headers, body))
        if not self.hangs:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            writer.write(answer)
            await writer.drain()
            writer.close()

    async def serve_smtp(self, reader, writer):
        self.writers.append(writer)

        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        await say("220 test")
        while line := (await reader.readline()).decode().strip():
            match line.split()[0].upper():
                case "DATA":
                    await say("354 go on")
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(mail.decode())
                    await say("250 taken")
                case "RCPT" if "refused" in line:
                    await say("550 nobody here")
                case "QUIT":
                    await say("221 bye")
                    break
                case _:
                    await say("250 fine")
        writer.close()


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def receiving(*answers: bytes, hangs: bool = False, smtp: bool = False):
    receiver, loop = Receiver(list(answers), hangs), asyncio.new_event_loop()
    serve = receiver.serve_smtp if smtp else receiver.serve_http
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    receiver.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(_end, server, receiver, loop)
        thread.join()
        loop.close()


def _end(server, receiver, loop) -> None:
    server.close()
    for writer in receiver.writers:
        writer.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.call_soon(loop.stop)
