// Notes the HTTP status of every answer for the operation that asked. The clients' own errors carry it only sometimes,
// and never for a JSON-RPC error that came with a status of its own.

import { AsyncLocalStorage } from 'node:async_hooks';

const exchanges = new AsyncLocalStorage();

/** Runs `operation(exchange)`; `exchange.status` is the status of the last answer to it, null without any. */
export function tapped(operation) {
  const exchange = { status: null };
  return exchanges.run(exchange, () => operation(exchange));
}

/** The `fetch` to give to a client. */
export async function tappedFetch(url, init) {
  const response = await fetch(url, init);
  const exchange = exchanges.getStore();
  // The standalone stream is opened in the background of `connect`: its status is nobody's answer.
  if (exchange && init?.method !== 'GET') exchange.status = response.status;
  return response;
}
