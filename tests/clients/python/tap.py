"""What passes between a client and the network: notes each HTTP status, and keeps the client alive over faults."""

import contextvars
import json

# The part of the answer that the operation of this context has found out so far.
EXCHANGE = contextvars.ContextVar("exchange")

# The `data` of an error that no server sent: see `unsent`.
FAULT = "no json-rpc answer"


def tap_over(http):
    """The base class of the transports; `http` is the module httpx or httpx2."""

    class Tap(http.AsyncHTTPTransport):
        terminating = False  # whether a DELETE is meant
        ended = None  # the status of the DELETE

        async def handle_async_request(self, request):
            if request.method == "DELETE":
                # The clients send it whenever they are closed, but only `terminate` is meant to end the session.
                if not self.terminating:
                    return http.Response(204)
                response = await super().handle_async_request(request)
                self.ended = response.status_code
                return response
            if request.method != "POST":
                return await super().handle_async_request(request)
            ident = json.loads(request.content).get("id")
            try:
                response = await super().handle_async_request(request)
            except http.TransportError as error:
                # Unhandled, this ends the client's whole task group, though the server may be back for the next call.
                return unsent(http, ident, f"{type(error).__name__}: {error}")
            self.note(ident, response.status_code)
            return await self.received(ident, response)

        def note(self, ident, status):
            raise NotImplementedError

        async def received(self, ident, response):
            return response

    return Tap


def unsent(http, ident, message):
    """Answers in place of the server: a request gets an error, a notification nothing."""
    if ident is None:
        return http.Response(202)
    error = {"code": -32000, "message": message, "data": FAULT}
    return http.Response(200, json={"jsonrpc": "2.0", "id": ident, "error": error})
