import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES } from '../../src/families/index.ts';
import { startEmulator } from '../../src/index.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { loadContract, verifyServer } from '../support/verify.ts';

/** Sent before a request is complete, so that the cases cannot provoke them. */
const CONNECTION_LEVEL_STATUSES = ['408', '413', '417', '431'];

/** The folder of an endpoint: `sora-2` for `/api/sora-2/generate`. */
const folderOf = (path: string) => path.split('/')[2]!;

/** Ids of cases begin with the folder of an endpoint, or with the name of a family. */
const FOLDERS = new Map(FAMILIES.map(({ name, routes }) => [name, folderOf(routes[0]!.path)]));
const groupOf = (caseId: string) => {
  const [prefix] = caseId.split('/') as [string];
  return FOLDERS.get(prefix) ?? prefix;
};
const GROUPS = [...new Set(FOLDERS.values()), 'overview'];

describe('conformance cases', () => {
  let emulator: Awaited<ReturnType<typeof startEmulator>>;
  beforeAll(async () => {
    // The failure rate does not apply to the accounts of the cases.
    emulator = await startEmulator({ failureRate: 1 });
  });
  afterAll(() => emulator.close());

  it('have unique ids, a known group and all kinds of provenance', () => {
    const { cases } = loadContract();
    const ids = cases.map(({ id }) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(new Set(ids.map(groupOf))).toEqual(new Set(GROUPS));
    for (const provenance of ['documented', 'observed', 'assumed'])
      expect(cases.filter((one) => one.provenance === provenance).length).toBeGreaterThan(40);
  });

  it.each(GROUPS)('hold for this emulator, and cover every error code: %s', async (group) => {
    const before = await emulator.accounts.list();
    const { outcomes, exchanges } = await verifyServer(emulator.url, { only: (id) => groupOf(id) === group });
    expect(outcomes.length).toBeGreaterThan(0);
    expect(outcomes.filter(({ result }) => result !== 'holds')).toEqual([]);
    // The cases removed their accounts.
    expect((await emulator.accounts.list()).map(({ key }) => key)).toEqual(before.map(({ key }) => key));

    const seen = new Set(
      exchanges.map(({ path, response }) => `${path} ${response.status} ${response.body?.errorCode ?? ''}`.trim()),
    );
    const endpoints = Object.entries<Json>(loadContract().document.paths).filter(([path]) => folderOf(path) === group);
    const missing = endpoints.flatMap(([path, { post }]) =>
      Object.entries<Json>(post.responses)
        .filter(([status]) => !CONNECTION_LEVEL_STATUSES.includes(status))
        .flatMap(([status, { 'x-error-codes': codes = [{ code: '' }] }]) =>
          codes.map(({ code }: { code: string }) => `${path} ${status} ${code}`.trim()),
        )
        .filter((one) => !seen.has(one)),
    );
    // A poll takes no hold that could fail, and a free request never lacks credits.
    const impossible =
      /check-status (500 INTERNAL_ERROR|503 SERVICE_UNAVAILABLE)$|^\/api\/sora\/remove-watermark 402 INSUFFICIENT_CREDITS$/;
    expect(missing.filter((one) => !impossible.test(one))).toEqual([]);
  });
});
