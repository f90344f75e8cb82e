import { describe, expect, it } from 'vitest';
import { order, profile, type TestCore, testCore } from '../../support/core.ts';
import { testEmulator } from '../../support/emulator.ts';

/** From now on no transaction that does this can be committed: as on a full disk, all goes well until its very end. */
function refuseCommits({ db }: Pick<TestCore, 'db'>, what: string): () => void {
  db.exec(`
    CREATE TABLE refused (id INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER refuse AFTER ${what} BEGIN INSERT INTO refused VALUES (-1); END`);
  return () => db.exec('DROP TRIGGER refuse; DROP TABLE refused');
}

describe('where nothing can be written', () => {
  it('no credits are told that were not booked', async () => {
    const { send, core, account } = await testEmulator();
    const { id } = account('np_test_default');
    const path = '/__admin/accounts/np_test_default/credits';
    const accept = refuseCommits(core, 'INSERT ON ledger_entries');
    const refused = await send('POST', path, { body: { amount: 5 } });
    expect(refused).toMatchObject({ status: 500, body: { code: 'INTERNAL_ERROR' } });
    expect(core.ledger.balance(id)).toBe(1000);
    accept();
    expect((await send('POST', path, { body: { amount: 5 } })).body.credits).toBe(1005);
  });

  it('a rule has not struck when that could not be kept', () => {
    const core = testCore();
    const { id } = core.accounts.create('k', 'seed', profile());
    core.faults.add(id, { match: {}, at: 'charge', effect: { fail: true }, times: 1 });
    const occasion = { accountId: id, family: 'sora-2', endpoint: '/', text: () => '' };
    const accept = refuseCommits(core, 'UPDATE ON faults');
    expect(() => core.faults.strike('charge', occasion, 's')).toThrow(/FOREIGN KEY/);
    expect(core.faults.list(id)).toMatchObject([{ matched: 0, fired: 0 }]);
    accept();
    expect(core.faults.strike('charge', occasion, 's')).toMatchObject({ matched: 1, fired: 1 });
  });

  it.each(['reset', 'remove', 'resetAll', 'restore'] as const)('a failed %s breaks nothing off', (name) => {
    const core = testCore();
    const { id } = core.accounts.create('k', 'seed', profile());
    core.snapshots.take(id, 'one');
    core.limits.hit(id, core.clock.nowMs());
    core.limits.hit(id, core.clock.nowMs());
    const life = core.lives.signalOf(id);
    const calls = {
      reset: () => core.resets.reset(id),
      remove: () => core.resets.remove(id),
      resetAll: () => core.resets.resetAll(),
      restore: () => core.snapshots.restore(id, 'one'),
    };
    const accept = refuseCommits(core, 'DELETE ON accounts');
    expect(calls[name]).toThrow(/FOREIGN KEY/);
    expect(life.aborted).toBe(false);
    expect(core.limits.peek(id, core.clock.nowMs()).count).toBe(2);
    expect(core.ledger.balance(id)).toBe(1000);
    accept();
    calls[name]();
    expect(life.aborted).toBe(true);
    expect(core.limits.peek(id, core.clock.nowMs()).count).toBe(0);
  });

  it('the worker tries again every second, not at every look', () => {
    const core = testCore();
    const { id } = core.accounts.create('k', 'seed', profile());
    core.tasks.submit(id, [order({ seconds: 1 })]);
    core.db.exec('PRAGMA query_only = ON');
    const told: unknown[] = [];
    core.worker.start((error) => told.push(error));
    core.clock.advance(11_000);
    expect(told.length).toBeGreaterThan(5);
    expect(told.length).toBeLessThan(12);
    core.db.exec('PRAGMA query_only = OFF');
    core.clock.advance(1000);
    expect(core.tasks.list(id, 1)[0]!.status).toBe('completed');
    core.close();
  });
});

describe('an error that is told', () => {
  it('is a failure of ours, in the usual form, when what it says could not be committed', async () => {
    const { post, core, clock, account } = await testEmulator();
    const { id } = account('np_test_default');
    core.ledger.adjust(id, -996, 'all but four', 0);
    const order = { prompt: 'a', mode: 'textToVideo' };
    expect((await post('/api/sora-2/generate', order)).status).toBe(200);
    clock.advance(600_000);
    // The order first plays what is due, and then finds no credits.
    const accept = refuseCommits(core, 'INSERT ON ledger_entries');
    expect(await post('/api/sora-2/generate', order)).toMatchObject({
      status: 500,
      body: { success: false, error: 'Internal server error', errorCode: 'INTERNAL_ERROR' },
    });
    accept();
    expect((await post('/api/sora-2/generate', order)).status).toBe(402);
  });
});

describe('a text whose end cannot be written down', () => {
  it('is refunded, once, as soon as it can be', async () => {
    const { send, core, clock, account } = await testEmulator();
    const { id } = account('np_test_frozen');
    core.db.exec(
      `CREATE TRIGGER refuse BEFORE UPDATE OF status ON tasks BEGIN SELECT RAISE(ABORT, 'refused'); END`,
    );
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

describe('the count of the limiter', () => {
  const written = ({ db }: Pick<TestCore, 'db'>) =>
    db.prepare('SELECT count FROM rate_windows ORDER BY account_id').pluck().all();

  it('is kept at once where a call has set it, and where a snapshot has it', async () => {
    const { send, core, account } = await testEmulator();
    const at = '/__admin/accounts/np_test_default';
    await send('PUT', `${at}/rate-limit`, { body: { limit: 100, remaining: 40 } });
    expect(written(core)).toEqual([60]);
    core.limits.hit(account('np_test_default').id, core.clock.nowMs());
    await send('POST', `${at}/snapshots`, { body: { name: 'one' } });
    expect(written(core)).toEqual([61, 61]);
    await send('PUT', `${at}/rate-limit`, { body: { remaining: 90 } });
    await send('POST', `${at}/snapshots/one/restore`, { body: {} });
    expect(written(core)).toEqual([61, 61]);
    await send('POST', `${at}/fork`, { body: { to: 'other' } });
    expect(written(core)).toEqual([61, 61, 61]);
  });
});
