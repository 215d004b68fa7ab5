"""The line protocol of the drivers: one JSON object per line on stdin, one per line on stdout. See ../README.md."""

import asyncio
import json
import sys
import traceback

from tap import EXCHANGE, FAULT


class Failed(Exception):
    """A failure that is told in a sentence of our own."""


async def attempt(run):
    """Runs one operation, with the HTTP status that it met, and turns what it raises into an answer."""
    exchange = {"http_status": None}
    EXCHANGE.set(exchange)
    try:
        return {"ok": True, **await run()}
    except Exception as error:
        traceback.print_exc()
        return {"ok": False, "error": {**described(error), **exchange}}


def described(error):
    # Both versions put the JSON-RPC error that they received into `error`.
    received = getattr(error, "error", None)
    if received is not None:
        code = None if received.data == FAULT else received.code
        return {"code": code, "message": received.message, "data": received.data}
    message = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
    return {"code": None, "message": message, "data": None}


class Loop:
    """Answers commands until stdin ends. `make(url, era, headers, timeout)` gives a connection."""

    def __init__(self, make):
        self.make = make
        self.connection = None

    def connected(self):
        if self.connection is None:
            raise Failed("not connected")
        return self.connection

    async def connect(self, url, era="legacy", headers=None, timeout_ms=30_000):
        await self.close()
        connection = self.make(url, era, headers or {}, timeout_ms / 1000)
        info = await connection.start()
        self.connection = connection
        return info

    async def tools(self):
        return {"tools": await self.connected().tools()}

    async def call(self, name, arguments=None):
        return await self.connected().call(name, arguments or {})

    async def calls(self, name, arguments, parallel=None):
        permits = asyncio.Semaphore(parallel or max(len(arguments), 1))

        async def one(each):
            async with permits:
                # A task for each call: the exchange travels in the context of its task.
                return await asyncio.create_task(attempt(lambda: self.call(name, each)))

        return {"results": await asyncio.gather(*map(one, arguments))}

    async def terminate(self):
        connection = self.connected()
        self.connection = None
        status = await connection.stop(terminate=True)
        EXCHANGE.get()["http_status"] = status
        if status is not None and status >= 400:
            raise Failed(f"the server answered DELETE with {status}")
        return {"http_status": status}

    async def close(self):
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.stop(terminate=False)
        return {}

    async def answer(self, line):
        command = json.loads(line)
        name = command.pop("op", None)
        if name not in ("connect", "tools", "call", "calls", "terminate", "close"):
            raise Failed(f"unknown op {name!r}")
        return await getattr(self, name)(**command)

    async def run(self):
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            if line.strip():
                reply = await asyncio.create_task(attempt(lambda: self.answer(line)))
                sys.stdout.write(json.dumps(reply) + "\n")
                sys.stdout.flush()
        await self.close()


def serve(make):
    asyncio.run(Loop(make).run())
