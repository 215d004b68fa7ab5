"""One client and the task that owns it."""

import asyncio
import contextlib

from protocol import Failed


class Connection:
    """Enters and leaves the client's contexts in one task, as its task groups demand.

    The driver of a version adds `transport` (its class of tap), `opened(stack)` (enters the contexts and answers what
    `connect` reports), `called(name, arguments)` and `page(cursor)`.
    """

    def __init__(self, url, era, headers, timeout):
        self.tap = self.transport()
        self.url, self.era, self.headers, self.timeout = url, era, headers, timeout
        self._leave = asyncio.Event()

    async def start(self):
        info = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._own(info))
        return await self._unless_ended(info)

    async def _own(self, info):
        async with contextlib.AsyncExitStack() as stack:
            info.set_result(await self.opened(stack))
            await self._leave.wait()

    async def stop(self, terminate):
        """Leaves the contexts; with `terminate` the session is ended by DELETE. Gives the status of that."""
        self.tap.terminating = terminate
        self._leave.set()
        await asyncio.wait([self._owner])
        return self.tap.ended

    async def call(self, name, arguments):
        fields = await self._answer(self.called(name, arguments))
        return {
            "is_error": bool(fields.get("isError")),
            "structured": fields.get("structuredContent"),
            "content": fields.get("content", []),
        }

    async def tools(self):
        listed, cursor = [], None
        while True:
            fields = await self._answer(self.page(cursor))
            listed += fields["tools"]
            cursor = fields.get("nextCursor")
            if cursor is None:
                return listed

    async def _answer(self, request):
        result = await self._unless_ended(asyncio.create_task(request))
        # Without what the server left out, and with the nulls that it sent: the definitions as they were received.
        return result.model_dump(by_alias=True, mode="json", exclude_unset=True)

    async def _unless_ended(self, pending):
        """Waits for `pending`, but not longer than the client lives: a dead one answers nobody."""
        await asyncio.wait([pending, self._owner], return_when=asyncio.FIRST_COMPLETED)
        if pending.done():
            return pending.result()
        pending.cancel()
        error = None if self._owner.cancelled() else self._owner.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error or Failed("the client has ended")
