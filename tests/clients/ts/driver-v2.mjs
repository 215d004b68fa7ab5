// Drives the client of `@modelcontextprotocol/client` 2: both eras.

import { Client, ProtocolError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { serve } from './protocol.mjs';
import { tappedFetch } from './tap.mjs';

const MODES = { legacy: 'legacy', modern: { pin: '2026-07-28' }, auto: 'auto' };

async function open({ url, era, headers, timeout }) {
  if (!Object.hasOwn(MODES, era)) throw new Error(`unknown era ${era}`);
  const client = new Client({ name: 'driver-ts-v2', version: '1.0.0' }, { versionNegotiation: { mode: MODES[era] } });
  client.onerror = (error) => console.error('client:', error.message);
  const transport = new StreamableHTTPClientTransport(url, { fetch: tappedFetch, requestInit: { headers } });
  await client.connect(transport, { timeout });
  return {
    client,
    transport,
    call: (name, args) => client.callTool({ name, arguments: args }, { timeout }),
    // `refresh`, because a listing with a lifetime would be answered from the client's own cache.
    tools: async () => (await client.listTools(undefined, { timeout, cacheMode: 'refresh' })).tools,
  };
}

// `SdkError` has a `code` too: a word, not a JSON-RPC code.
await serve(open, (error) => (error instanceof ProtocolError ? error.code : null));
