import { describe, expect, it, onTestFinished } from 'vitest';
import { startEmulator } from '../../src/index.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { loadContract, verifyServer } from '../support/verify.ts';

/** Sent before a request is complete, so that the cases cannot provoke them. */
const CONNECTION_LEVEL_STATUSES = ['408', '413', '417', '431'];

describe('conformance cases', () => {
  it('have unique ids', () => {
    const ids = loadContract().cases.map(({ id }) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it('hold for this emulator, and cover every error code of every endpoint', async () => {
    // The failure rate does not apply to the accounts of the cases.
    const emulator = await startEmulator({ failureRate: 1 });
    onTestFinished(() => emulator.close());
    const before = await emulator.accounts.list();
    const { outcomes, exchanges } = await verifyServer(emulator.url);
    expect(outcomes.filter(({ result }) => result !== 'holds')).toEqual([]);
    for (const provenance of ['documented', 'observed', 'assumed'])
      expect(outcomes.filter((one) => one.provenance === provenance).length).toBeGreaterThan(40);
    // The cases removed their accounts.
    expect((await emulator.accounts.list()).map(({ key }) => key)).toEqual(before.map(({ key }) => key));

    const seen = new Set(
      exchanges.map(({ path, response }) => `${path} ${response.status} ${response.body?.errorCode ?? ''}`.trim()),
    );
    const missing = Object.entries<Json>(loadContract().document.paths).flatMap(([path, { post }]) =>
      Object.entries<Json>(post.responses)
        .filter(([status]) => !CONNECTION_LEVEL_STATUSES.includes(status))
        .flatMap(([status, { 'x-error-codes': codes = [{ code: '' }] }]) =>
          codes.map(({ code }: { code: string }) => `${path} ${status} ${code}`.trim()),
        )
        .filter((one) => !seen.has(one)),
    );
    // A poll takes no hold that could fail, and a free request never lacks credits.
    const holdErrors = /check-status (500 INTERNAL_ERROR|503 SERVICE_UNAVAILABLE)$/;
    expect(missing.filter((one) => !holdErrors.test(one))).toEqual([
      '/api/sora/remove-watermark 402 INSUFFICIENT_CREDITS',
    ]);
  });
});
