"""Drives the client of `mcp` 1: the older era alone."""

import json
from datetime import timedelta

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from connection import Connection
from protocol import Failed, serve
from tap import EXCHANGE, tap_over, unsent


class Tap(tap_over(httpx)):
    def __init__(self):
        super().__init__()
        self.statuses = {}

    def note(self, ident, status):
        # This version sends from a task of its own, in whose context no exchange is known; only the id leads back.
        self.statuses[ident] = status

    async def received(self, ident, response):
        # 404 means "session terminated" to this client; any other failure ends its whole task group.
        if response.status_code < 400 or response.status_code == 404 or ident is None:
            return response
        body = await response.aread()
        await response.aclose()
        try:
            error = json.loads(body)["error"]
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": ident, "error": error})
        except (ValueError, KeyError, TypeError):
            return unsent(httpx, ident, f"http {response.status_code}: {body[:500].decode(errors='replace')}")


class V1(Connection):
    transport = Tap

    async def opened(self, stack):
        if self.era != "legacy":
            raise Failed(f"this client speaks the older era alone, not {self.era}")
        http = await stack.enter_async_context(
            httpx.AsyncClient(headers=self.headers, transport=self.tap, timeout=httpx.Timeout(30, read=300))
        )
        read, write, session_id = await stack.enter_async_context(streamable_http_client(self.url, http_client=http))
        self.session = await stack.enter_async_context(
            ClientSession(read, write, read_timeout_seconds=timedelta(seconds=self.timeout))
        )
        info = await self.noted(self.session.initialize())
        return {
            "protocol_version": info.protocolVersion,
            "session_id": session_id(),
            "instructions": info.instructions,
            "server": {"name": info.serverInfo.name, "version": info.serverInfo.version},
        }

    async def called(self, name, arguments):
        return await self.noted(self.session.call_tool(name, arguments))

    async def page(self, cursor):
        return await self.noted(self.session.list_tools(cursor=cursor))

    async def noted(self, request):
        # The next id: nothing else can take it before `request` runs, which is now.
        ident = self.session._request_id
        try:
            return await request
        finally:
            EXCHANGE.get()["http_status"] = self.tap.statuses.pop(ident, None)


serve(V1)
