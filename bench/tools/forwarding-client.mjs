// The command that `exec --record` runs: sends each request directly and through the recording proxy, one at a time over
// connections that are kept alive. Prints the latencies of each route as one line of JSON.
import { createHistogram } from 'node:perf_hooks';
import { toLatencies } from './responses.mjs';

/**
 * Requests on one route before the next route has its turn. The proxy writes the sample after the response, so only the
 * next request on the same route waits for it.
 */
const REQUESTS_PER_TURN = 10;
const WARM_UP_TURNS = 10;

const { url, headers, requests, turns } = JSON.parse(process.argv[2]);
/** The tunnel is for programs that have the vendor's address: HTTPS through the proxy. */
const ORIGINS = { direct: url, forwarded: process.env.NANOPHOTO_API_BASE_URL, tunnelled: 'https://nanophoto.ai' };

const latencies = {};
for (const [name, { path, body }] of Object.entries(requests)) {
  const micros = Object.fromEntries(Object.keys(ORIGINS).map((route) => [route, createHistogram()]));
  for (let turn = -WARM_UP_TURNS; turn < turns; turn++) {
    for (const [route, origin] of Object.entries(ORIGINS)) {
      for (let number = 0; number < REQUESTS_PER_TURN; number++) {
        const tookMs = await send(origin + path, body);
        if (turn >= 0) micros[route].record(Math.max(1, Math.round(tookMs * 1000)));
      }
    }
  }
  latencies[name] = Object.fromEntries(Object.entries(micros).map(([route, of]) => [route, toLatencies(of)]));
}
console.log(JSON.stringify(latencies));

/** The time until the response is complete. @throws Error when its status is not 200 */
async function send(target, body) {
  const startedMs = performance.now();
  const response = await fetch(target, { method: 'POST', headers, body });
  const text = await response.text();
  const tookMs = performance.now() - startedMs;
  if (response.status !== 200) throw new Error(`${target} returned ${response.status}: ${text}`);
  return tookMs;
}
