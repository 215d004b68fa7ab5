// The line protocol of the drivers: one JSON object per line on stdin, one per line on stdout. See ../README.md.

import { tapped } from './tap.mjs';

const log = (...parts) => console.error(...parts);

// A standalone SSE stream breaks whenever the server is restarted. That may not end the process: the next call has to
// go through the same client. So what nobody awaited is logged and nothing more.
process.on('unhandledRejection', (reason) => log('unhandled rejection:', reason));
process.on('uncaughtException', (error) => log('uncaught exception:', error));

/**
 * Answers commands until stdin ends.
 *
 * `open({url, era, headers, timeout})` gives a connection: `{client, transport, call(name, arguments), tools()}`.
 * `codeOf(error)` gives the JSON-RPC code of an error that the client threw, or null.
 */
export async function serve(open, codeOf) {
  let connection = null;

  const connected = () => {
    if (!connection) throw new Error('not connected');
    return connection;
  };

  const close = async () => {
    const old = connection;
    connection = null;
    if (old) await old.client.close();
  };

  const call = (name, args) =>
    attempt(codeOf, async () => {
      const result = await connected().call(name, args ?? {});
      return {
        ok: true,
        is_error: result.isError ?? false,
        structured: result.structuredContent ?? null,
        content: result.content ?? [],
      };
    });

  const operations = {
    connect: ({ url, era = 'legacy', headers = {}, timeout_ms: timeout = 30_000 }) =>
      attempt(codeOf, async () => {
        await close();
        const opened = await open({ url: new URL(url), era, headers, timeout });
        connection = opened;
        const { client, transport } = opened;
        return {
          ok: true,
          protocol_version: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? null,
          session_id: transport.sessionId ?? null,
          instructions: client.getInstructions() ?? null,
          server: client.getServerVersion() ?? null,
        };
      }),
    tools: () => attempt(codeOf, async () => ({ ok: true, tools: await connected().tools() })),
    call: ({ name, arguments: args }) => call(name, args),
    calls: async ({ name, arguments: list, parallel = list.length }) => {
      const results = new Array(list.length);
      let next = 0;
      const worker = async () => {
        while (next < list.length) {
          const index = next++;
          results[index] = await call(name, list[index]);
        }
      };
      await Promise.all(Array.from({ length: Math.min(parallel, list.length) }, worker));
      return { ok: true, results };
    },
    terminate: () =>
      attempt(codeOf, async (exchange) => {
        const { transport } = connected();
        try {
          await transport.terminateSession();
        } finally {
          await close();
        }
        return { ok: true, http_status: exchange.status };
      }),
    close: () =>
      attempt(codeOf, async () => {
        await close();
        return { ok: true };
      }),
  };

  for await (const line of lines(process.stdin)) {
    const answer = await attempt(codeOf, async () => {
      const command = JSON.parse(line);
      const operation = Object.hasOwn(operations, command.op) ? operations[command.op] : null;
      if (!operation) throw new Error(`unknown op ${JSON.stringify(command.op)}`);
      return operation(command);
    });
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

/** Runs one operation, with the HTTP status that it met, and turns what it throws into an answer. */
async function attempt(codeOf, run) {
  return tapped(async (exchange) => {
    try {
      return await run(exchange);
    } catch (error) {
      log('failed:', error);
      return { ok: false, error: { code: codeOf(error), message: messageOf(error), data: error?.data ?? null, http_status: exchange.status } };
    }
  });
}

function messageOf(error) {
  // The clients put the code before the server's sentence; without it all four drivers report the same text.
  const message = String(error?.message ?? error).replace(/^MCP error -?\d+: /, '');
  const cause = error?.cause?.message || error?.cause?.code;
  return cause ? `${message}: ${cause}` : message;
}

// Not `readline`: that also splits at U+2028 and U+2029, which JSON allows inside strings.
async function* lines(stream) {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop();
    yield* parts.filter((part) => part.trim() !== '');
  }
}
