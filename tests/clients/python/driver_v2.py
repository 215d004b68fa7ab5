"""Drives the client of `mcp` 2: both eras."""

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from connection import Connection
from protocol import Failed, serve
from tap import EXCHANGE, tap_over

# Not the version itself for the modern era: pinned so, the client asks the server nothing and knows no instructions.
MODES = {"legacy": "legacy", "modern": "auto", "auto": "auto"}


class Tap(tap_over(httpx2)):
    session_id = None

    def note(self, ident, status):
        # This version sends in the context of the caller.
        EXCHANGE.get()["http_status"] = status

    async def received(self, ident, response):
        # The client keeps it to itself.
        self.session_id = response.headers.get("mcp-session-id", self.session_id)
        return response


class V2(Connection):
    transport = Tap

    async def opened(self, stack):
        if self.era not in MODES:
            raise Failed(f"unknown era {self.era}")
        http = await stack.enter_async_context(
            httpx2.AsyncClient(headers=self.headers, transport=self.tap, timeout=httpx2.Timeout(30, read=300))
        )
        transport = streamable_http_client(self.url, http_client=http)
        self.client = await stack.enter_async_context(
            Client(transport, mode=MODES[self.era], read_timeout_seconds=self.timeout)
        )
        version = self.client.protocol_version
        if self.era == "modern" and version < "2026-07-28":
            raise Failed(f"the server speaks {version} at most")
        server = self.client.server_info
        return {
            "protocol_version": version,
            "session_id": self.tap.session_id,
            "instructions": self.client.instructions,
            "server": server and {"name": server.name, "version": server.version},
        }

    async def called(self, name, arguments):
        return await self.client.call_tool(name, arguments)

    async def page(self, cursor):
        # `refresh`, because a listing with a lifetime would be answered from the client's own cache.
        return await self.client.list_tools(cursor=cursor, cache_mode="refresh")


serve(V2)
