import { describe, expect, it } from 'vitest';
import { buildFaultContext, buildOrder, buildProfile, createTestCore, type TestCore } from '../../support/core.ts';
import { createTestEmulator } from '../../support/emulator.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Makes COMMIT fail for transactions with this write, as on a full disk: every statement before it succeeds. */
function failCommits({ db }: Pick<TestCore, 'db'>, triggerEvent: string): () => void {
  db.exec(`
    CREATE TABLE refused (id INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER refuse AFTER ${triggerEvent} BEGIN INSERT INTO refused VALUES (-1); END`);
  return () => db.exec('DROP TRIGGER refuse; DROP TABLE refused');
}

describe('failed commits', () => {
  it('leave the balance unchanged and return a 500', async () => {
    const { send, core, account } = await createTestEmulator();
    const { id } = account('np_test_default');
    const path = '/__admin/accounts/np_test_default/credits';
    const allowCommits = failCommits(core, 'INSERT ON ledger_entries');
    const response = await send('POST', path, { body: { amount: 5 } });
    expect(response).toMatchObject({ status: 500, body: { code: 'INTERNAL_ERROR' } });
    expect(core.accounts.get(id).balance).toBe(1000);
    allowCommits();
    expect((await send('POST', path, { body: { amount: 5 } })).body.credits).toBe(1005);
  });

  it('do not count a fault rule as fired', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    core.faults.add(id, { match: {}, at: 'charge', effect: { fail: true }, times: 1 });
    const context = buildFaultContext(id);
    const allowCommits = failCommits(core, 'UPDATE ON faults');
    expect(() => core.faults.fire('charge', context, 's')).toThrow(/FOREIGN KEY/);
    expect(core.faults.list(id)).toMatchObject([{ matched: 0, fired: 0 }]);
    allowCommits();
    expect(core.faults.fire('charge', context, 's')).toMatchObject({ matched: 1, fired: 1 });
  });

  it.each(['reset', 'remove', 'resetAll', 'restore'] as const)(
    'of a %s do not end the lifetime of the account',
    (name) => {
      const core = createTestCore();
      const { id } = core.accounts.create('k', 'seed', buildProfile());
      core.snapshots.take(id, 'one');
      core.rateLimiter.hit(id, core.clock.nowMs());
      core.rateLimiter.hit(id, core.clock.nowMs());
      const lifetime = core.lifetimes.signalFor(id);
      const operations = {
        reset: () => core.resets.reset(id),
        remove: () => core.resets.remove(id),
        resetAll: () => core.resets.resetAll(),
        restore: () => core.snapshots.restore(id, 'one'),
      };
      const allowCommits = failCommits(core, 'DELETE ON accounts');
      expect(operations[name]).toThrow(/FOREIGN KEY/);
      expect(lifetime.aborted).toBe(false);
      expect(core.rateLimiter.peek(id, core.clock.nowMs()).count).toBe(2);
      expect(core.accounts.get(id).balance).toBe(1000);
      allowCommits();
      operations[name]();
      expect(lifetime.aborted).toBe(true);
      expect(core.rateLimiter.peek(id, core.clock.nowMs()).count).toBe(0);
    },
  );

  it('are retried by the worker once per second, not at every tick', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    core.tasks.submit(id, [buildOrder({ seconds: 1 })]);
    core.db.exec('PRAGMA query_only = ON');
    const errors: unknown[] = [];
    core.worker.start((error) => errors.push(error));
    core.clock.advance(11_000);
    expect(errors.length).toBeGreaterThan(5);
    expect(errors.length).toBeLessThan(12);
    core.db.exec('PRAGMA query_only = OFF');
    core.clock.advance(1000);
    expect(core.tasks.list(id, 1)[0]!.status).toBe('completed');
    core.close();
  });
});

describe('a stop while writes fail', () => {
  it('closes the database all the same', () => {
    const core = createTestCore(undefined, tempDir());
    const { id } = core.accounts.create('k', 'seed', buildProfile());
    core.rateLimiter.hit(id, core.clock.nowMs());
    core.db.exec('PRAGMA query_only = ON');
    core.close();
    expect(core.db.open).toBe(false);
  });
});

describe('an error response', () => {
  it("becomes a 500 in the API's own format when the transitions applied before it cannot be committed", async () => {
    const { post, core, clock, account } = await createTestEmulator();
    const { id } = account('np_test_default');
    core.ledger.adjust(id, -996, 'all but four', 0);
    const requestBody = { prompt: 'a', mode: 'textToVideo' };
    expect((await post('/api/sora-2/generate', requestBody)).status).toBe(200);
    clock.advance(600_000);
    // The submission first applies what is due, and then fails for lack of credits.
    const allowCommits = failCommits(core, 'INSERT ON ledger_entries');
    expect(await post('/api/sora-2/generate', requestBody)).toMatchObject({
      status: 500,
      body: { success: false, error: 'Internal server error', errorCode: 'INTERNAL_ERROR' },
    });
    allowCommits();
    expect((await post('/api/sora-2/generate', requestBody)).status).toBe(402);
  });
});

describe('a synchronous task whose end cannot be written', () => {
  it('is refunded exactly once, as soon as writes succeed again', async () => {
    const { send, core, clock, account } = await createTestEmulator();
    const { id } = account('np_test_frozen');
    core.db.exec(`CREATE TRIGGER refuse BEFORE UPDATE OF status ON tasks BEGIN SELECT RAISE(ABORT, 'refused'); END`);
    const request = { key: 'np_test_frozen', body: { topic: 'a lighthouse' } };
    await send('POST', '/api/sora-2/generate-prompt', request).catch(() => {});
    clock.advance(3000);
    expect(core.ledger.held(id)).toBe(2);
    core.db.exec('DROP TRIGGER refuse');
    clock.advance(5000);
    expect(core.ledger.entries(id, 9).map(({ kind }) => kind)).toEqual(['grant', 'hold', 'refund']);
    expect(core.ledger.verify(id)).toEqual([]);
  });
});

describe('rate limiter counts', () => {
  const readSavedCounts = ({ db }: Pick<TestCore, 'db'>) =>
    db.prepare('SELECT count FROM rate_windows ORDER BY account_id').pluck().all();

  it('are persisted immediately when a control-plane operation sets or copies them', async () => {
    const { send, core, account } = await createTestEmulator();
    const accountPath = '/__admin/accounts/np_test_default';
    await send('PUT', `${accountPath}/rate-limit`, { body: { limit: 100, remaining: 40 } });
    expect(readSavedCounts(core)).toEqual([60]);
    core.rateLimiter.hit(account('np_test_default').id, core.clock.nowMs());
    await send('POST', `${accountPath}/snapshots`, { body: { name: 'one' } });
    expect(readSavedCounts(core)).toEqual([61, 61]);
    await send('PUT', `${accountPath}/rate-limit`, { body: { remaining: 90 } });
    await send('POST', `${accountPath}/snapshots/one/restore`, { body: {} });
    expect(readSavedCounts(core)).toEqual([61, 61]);
    await send('POST', `${accountPath}/fork`, { body: { to: 'other' } });
    expect(readSavedCounts(core)).toEqual([61, 61, 61]);
  });
});
