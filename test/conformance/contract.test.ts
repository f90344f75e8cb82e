import { describe, expect, it, onTestFinished } from 'vitest';
import { startEmulator } from '../../src/index.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { contract, lookAt } from '../support/verify.ts';

/** Told of a request before there is one that a client could send here. */
const OF_CONNECTIONS = ['408', '413', '417', '431'];

describe('what verify looks at', () => {
  it('has a name of its own for each case', () => {
    const ids = contract().cases.map(({ id }) => id);
    expect(ids.filter((id, place) => ids.indexOf(id) !== place)).toEqual([]);
  });

  it('holds in this emulator, and is every code of every endpoint', async () => {
    const emulator = await startEmulator();
    onTestFinished(() => emulator.close());
    const before = await emulator.accounts.list();
    const { outcomes, exchanges } = await lookAt(emulator.url);
    expect(outcomes.filter(({ result }) => result !== 'holds')).toEqual([]);
    for (const mark of ['D', 'C', 'X'])
      expect(outcomes.filter((one) => one.mark === mark).length).toBeGreaterThan(40);
    // Nothing is left of it.
    expect((await emulator.accounts.list()).map(({ key }) => key)).toEqual(before.map(({ key }) => key));

    const seen = new Set(
      exchanges.map(({ path, answer }) => `${path} ${answer.status} ${answer.body?.errorCode ?? ''}`.trim()),
    );
    const missing = Object.entries<Json>(contract().document.paths).flatMap(([path, { post }]) =>
      Object.entries<Json>(post.responses)
        .filter(([status]) => !OF_CONNECTIONS.includes(status))
        .flatMap(([status, { 'x-error-codes': codes = [{ code: '' }] }]) =>
          codes.map(({ code }: { code: string }) => `${path} ${status} ${code}`.trim()),
        )
        .filter((one) => !seen.has(one)),
    );
    // A poll has no hold that could fail, and what is free is never too dear.
    const ofHolds = /check-status (500 INTERNAL_ERROR|503 SERVICE_UNAVAILABLE)$/;
    expect(missing.filter((one) => !ofHolds.test(one))).toEqual([
      '/api/sora/remove-watermark 402 INSUFFICIENT_CREDITS',
    ]);
  });
});
