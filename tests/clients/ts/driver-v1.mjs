// Drives the client of `@modelcontextprotocol/sdk` 1: the older era alone.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { serve } from './protocol.mjs';
import { tappedFetch } from './tap.mjs';

async function open({ url, era, headers, timeout }) {
  if (era !== 'legacy') throw new Error(`this client speaks the older era alone, not ${era}`);
  const client = new Client({ name: 'driver-ts-v1', version: '1.0.0' });
  client.onerror = (error) => console.error('client:', error.message);
  const transport = new StreamableHTTPClientTransport(url, { fetch: tappedFetch, requestInit: { headers } });
  await client.connect(transport, { timeout });
  return {
    client,
    transport,
    call: (name, args) => client.callTool({ name, arguments: args }, undefined, { timeout }),
    tools: async () => {
      const tools = [];
      let cursor;
      do {
        const page = await client.listTools({ cursor }, { timeout });
        tools.push(...page.tools);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      return tools;
    },
  };
}

// `StreamableHTTPError` has a `code` too: an HTTP status, not a JSON-RPC code.
await serve(open, (error) => (error instanceof McpError ? error.code : null));
