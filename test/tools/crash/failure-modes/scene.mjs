// Shared by the failure scenes: an emulator in a known state, and checks of its errors.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, json } from '../client.mjs';
import { findViolations } from '../ledger-invariants.mjs';
import { formatMark, ORDERS } from '../orders.mjs';
import { seededRandom } from '../random.mjs';
import { readRows } from '../rows.mjs';
import { startServer, tempDir } from '../server.mjs';

const VENDOR_ERROR = { success: false, error: 'Internal server error', errorCode: 'INTERNAL_ERROR' };

/** The scene cannot run on this machine; the message says why. */
export class Skipped extends Error {}

let markCount = 0;

/** The checks and helpers of one scene. */
export function createScene() {
  const problems = [];
  let checks = 0;
  const check = (isTrue, problem) => {
    checks += 1;
    if (!isTrue) problems.push(problem);
  };

  return {
    problems,
    checks: () => checks,
    check,
    dir: () => join(tempDir('failure-mode'), 'data'),
    /** `options`: see `startServer`. */
    start: (dataDir, options) =>
      startServer(['--data-dir', dataDir, '--rate-limit', 'off', '--speed', '60'], options).then((server) =>
        Object.assign(server, { client: createClient(server.url, { connections: 8 }) }),
      ),

    /** Reads the rows of an ended process and checks their invariants. */
    rows(dataDir) {
      const { accounts } = readRows(dataDir, join(tempDir('failure-mode-copy'), 'copy'));
      for (const [key, rows] of accounts) {
        const found = findViolations(rows);
        check(found.length === 0, `${key}: ${found.slice(0, 3).join('; ')}`);
      }
      return accounts;
    },

    async verified({ client }, ...keys) {
      for (const key of keys) {
        const { ok, problems: found } = await client.call('GET', `/__admin/accounts/${key}/ledger/verify`);
        check(ok, `${key}: verify reports ${found?.slice(0, 3).join('; ')}`);
      }
    },

    /** Checks that the client gets the vendor's internal error. */
    vendorError(response, what) {
      check(
        response.isComplete &&
          response.status === 500 &&
          JSON.stringify(json(response)) === JSON.stringify(VENDOR_ERROR),
        `${what} returned ${response.status} ${response.text.slice(0, 200)}`,
      );
    },

    adminError(response, what) {
      const { error, code } = json(response) ?? {};
      check(
        response.isComplete && response.status === 500 && code === 'INTERNAL_ERROR' && typeof error === 'string',
        `${what} returned ${response.status} ${response.text.slice(0, 200)}`,
      );
    },

    /** Checks that every logged error has a message and a matching SQLite error code. */
    logged(server, code) {
      const lines = server.errors();
      check(lines.length > 0, 'no error was logged');
      for (const { msg, err } of lines)
        check(
          typeof msg === 'string' && code.test(err?.code ?? ''),
          `logged "${msg}" for ${err?.code} ${err?.message}`,
        );
      check(server.stderr === '', `wrote to stderr: ${server.stderr.slice(0, 300)}`);
    },

    /** Checks that the command exited with code 2 and a one-line error instead of a stack trace. */
    refused(server, message) {
      check(server.hasEnded && server.code === 2, `it exited with ${server.code}, not 2`);
      check(
        message.test(server.stderr) && server.stderr.trim().split('\n').length === 1,
        `it wrote: ${server.stderr.slice(0, 600)}`,
      );
    },
  };
}

/** Sends an order. Resolves to the response together with the price, task ids and family of the order. */
export async function order({ client }, key, family = 'sora-2', more = {}) {
  markCount += 1;
  const { path, body, price, ids } = ORDERS[family](`A harbour ${formatMark(markCount)}`, seededRandom(markCount));
  const response = await client.send('order', 'POST', path, { key, body, ...more });
  return { ...response, price, ids: response.status === 200 ? ids?.(json(response)) : undefined, family };
}

export const account = ({ client }, key, more = {}) =>
  client.call('POST', '/__admin/accounts', { key, credits: 100_000, clock: 'frozen', ...more }, 201);

/** Polls `condition` until it is true; resolves to false on a timeout. */
export async function until(condition, ms = 6000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(50)) if (await condition()) return true;
  return false;
}
