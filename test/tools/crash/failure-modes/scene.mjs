// What the scenes of trouble have in common: an emulator with a known state, and what its errors must look like.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, json } from '../client.mjs';
import { unsound } from '../ledger-invariants.mjs';
import { markOf, ORDERS } from '../orders.mjs';
import { randomOf } from '../random.mjs';
import { readRows } from '../rows.mjs';
import { startServer, tempDir } from '../server.mjs';

const VENDOR_ERROR = { success: false, error: 'Internal server error', errorCode: 'INTERNAL_ERROR' };

/** The scene cannot be played on this machine, and why. */
export class Skipped extends Error {}

let marks = 0;

/** `begin`: start of the scene, with checks that are counted. `options`: see `startServer`. */
export function createScene() {
  const problems = [];
  let checks = 0;
  const check = (isTrue, sentence) => {
    checks += 1;
    if (!isTrue) problems.push(sentence);
  };

  return {
    problems,
    checks: () => checks,
    check,
    dir: () => join(tempDir('trouble'), 'data'),
    start: (dataDir, options) =>
      startServer(['--data-dir', dataDir, '--rate-limit', 'off', '--speed', '60'], options).then((server) =>
        Object.assign(server, { client: createClient(server.url, { connections: 8 }) }),
      ),

    /** Rows of a process that is gone; they are sound. */
    rows(dataDir) {
      const { accounts } = readRows(dataDir, join(tempDir('trouble-copy'), 'copy'));
      for (const [key, rows] of accounts) {
        const found = unsound(rows);
        check(found.length === 0, `${key}: ${found.slice(0, 3).join('; ')}`);
      }
      return accounts;
    },

    async verified({ client }, ...keys) {
      for (const key of keys) {
        const { ok, problems: found } = await client.call('GET', `/__admin/accounts/${key}/ledger/verify`);
        check(ok, `${key}: verify finds ${found?.slice(0, 3).join('; ')}`);
      }
    },

    /** The client is told in the vendor's words that it is not its fault. */
    vendorError(answer, what) {
      check(
        answer.isWhole && answer.status === 500 && JSON.stringify(json(answer)) === JSON.stringify(VENDOR_ERROR),
        `${what} was answered ${answer.status} ${answer.text.slice(0, 200)}`,
      );
    },

    adminError(answer, what) {
      const { error, code } = json(answer) ?? {};
      check(
        answer.isWhole && answer.status === 500 && code === 'INTERNAL_ERROR' && typeof error === 'string',
        `${what} was answered ${answer.status} ${answer.text.slice(0, 200)}`,
      );
    },

    /** What the log says of it: the reason, by SQLite's name, beside a sentence. */
    logged(server, code) {
      const lines = server.errors();
      check(lines.length > 0, 'the log tells of no error');
      for (const { msg, err } of lines)
        check(
          typeof msg === 'string' && code.test(err?.code ?? ''),
          `the log says "${msg}" for ${err?.code} ${err?.message}`,
        );
      check(server.stderr === '', `stderr says: ${server.stderr.slice(0, 300)}`);
    },

    /** The command refuses to start with a sentence, and not with a stack. */
    refused(server, sentence) {
      check(server.isDead && server.code === 2, `it ended with ${server.code}, not 2`);
      check(
        sentence.test(server.stderr) && server.stderr.trim().split('\n').length === 1,
        `it says: ${server.stderr.slice(0, 600)}`,
      );
    },
  };
}

/** Sends an order; answers what came back, with what was asked for. */
export async function order({ client }, key, family = 'sora-2', more = {}) {
  marks += 1;
  const { path, body, price, ids } = ORDERS[family](`A harbour ${markOf(marks)}`, randomOf(marks));
  const answer = await client.send('order', 'POST', path, { key, body, ...more });
  return { ...answer, price, ids: answer.status === 200 ? ids?.(json(answer)) : undefined, family };
}

export const account = ({ client }, key, more = {}) =>
  client.call('POST', '/__admin/accounts', { key, credits: 100_000, clock: 'frozen', ...more }, 201);

/** Waits until `isTrue` answers true; false when it does not in time. */
export async function until(isTrue, ms = 6000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(50)) if (await isTrue()) return true;
  return false;
}
