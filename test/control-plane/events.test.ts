import { get } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import type { CoreEvent } from '../../src/core/events.ts';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

type AccountChange = Extract<CoreEvent, { type: 'account' }>['change'];

interface ReceivedEvent {
  eventId: string;
  type: string;
  key: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: of every shape
  [field: string]: any;
}

async function createListeningEmulator(flags: string[] = []) {
  const emulator = await createTestEmulator(flags);
  const { app, send, createAccount, account } = emulator;
  createAccount('k', { clock: { mode: 'frozen' } });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  let markCount = 0;

  async function listen(query = '') {
    const response = await fetch(`${url}/__admin/events${query}`);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    const ended = (async () => {
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) text += piece;
    })();
    const receivedEvents = (): ReceivedEvent[] =>
      [...text.matchAll(/id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n/g)].map(([, eventId, type, data]) => ({
        ...JSON.parse(data!),
        eventId,
        type,
      }));
    const events = () => receivedEvents().filter(({ change }) => !change?.startsWith('mark'));
    /** Key and change of the account events so far. */
    async function changes(): Promise<[string | null, string][]> {
      // A global event that every listener receives after all earlier ones.
      const mark = `mark ${++markCount}` as AccountChange;
      emulator.core.events.emit({ type: 'account', accountId: null, change: mark });
      await vi.waitUntil(() => receivedEvents().some(({ change }) => change === mark));
      return events()
        .filter(({ type }) => type === 'account')
        .map(({ key, change }) => [key, change]);
    }
    return { events, changes, ended };
  }

  const call = (method: string, path: string, body?: object) =>
    send(method, `/__admin${path}`, { key: null, ...(body && { body }) });
  const submit = async (): Promise<string> => (await send('POST', GENERATE, { key: 'k', body: VALID })).body.taskId;
  const getAccountId = (key: string) => account(key).id;
  return { ...emulator, listen, call, submit, getAccountId };
}

describe('events', () => {
  it('allow many listeners and unsubscribe those that disconnect', async () => {
    const { app, core } = await createTestEmulator();
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const warned = vi.fn();
    process.on('warning', warned);
    const requests = Array.from({ length: 20 }, () => get(`${url}/__admin/events`).on('error', () => {}));
    await Promise.all(requests.map((request) => new Promise((resolve) => request.on('response', resolve))));
    expect(core.events.hasListeners()).toBe(true);
    for (const request of requests) request.destroy();
    await vi.waitUntil(() => !core.events.hasListeners());
    process.off('warning', warned);
    expect(warned).not.toHaveBeenCalled();
  });

  it('reject HEAD requests instead of subscribing them', async () => {
    const { send, core } = await createTestEmulator();
    expect((await send('HEAD', '/__admin/events', { key: null })).status).toBe(404);
    expect(core.events.hasListeners()).toBe(false);
  });

  it('report tasks, ledger, requests and faults of one account or of all', async () => {
    const { post, core, listen, submit, getAccountId, close } = await createListeningEmulator();
    const mine = await listen('?key=k');
    const all = await listen();
    core.faults.add(getAccountId('k'), { match: {}, at: 'task', effect: { durationMs: 5000 } });
    await post(GENERATE, VALID, 'np_test_other');
    const taskId = await submit();
    core.timeline.advance(getAccountId('k'), 5000);
    await mine.changes();
    const received = mine.events();
    expect(
      received.map(({ type, key, kind, to, status, change }) => [type, key, kind ?? to ?? status ?? change]),
    ).toEqual([
      ['account', 'k', 'faults'],
      ['fault', 'k', undefined],
      ['ledger', 'k', 'hold'],
      ['task', 'k', 'processing'],
      ['request', 'k', 200],
      ['ledger', 'k', 'capture'],
      ['task', 'k', 'completed'],
      ['account', 'k', 'clock'],
    ]);
    expect(received.map(({ eventId }) => eventId)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    expect(received[3]).toMatchObject({ taskId, from: 'created', to: 'processing' });
    await all.changes();
    expect(
      all
        .events()
        .filter(({ key }) => key === 'np_test_other')
        .map(({ type }) => type),
    ).toEqual(['account', 'ledger', 'ledger', 'task', 'request']);
    await close();
    await Promise.all([mine.ended, all.ended]);
    expect(core.events.hasListeners()).toBe(false);
  });

  it('are published when their account is restored, reset or removed in the same turn', async () => {
    const { listen, core, submit, getAccountId } = await createListeningEmulator();
    core.snapshots.take(getAccountId('k'), 'a');
    const all = await listen();
    for (const end of [
      (id: number) => core.snapshots.restore(id, 'a'),
      (id: number) => core.resets.reset(id),
      (id: number) => core.resets.remove(id),
    ]) {
      await submit();
      await all.changes();
      const { length } = all.events();
      core.timeline.advanceToNext(getAccountId('k'));
      end(getAccountId('k'));
      await all.changes();
      const kinds = all.events().map(({ kind, to, change }) => kind ?? to ?? change);
      expect(kinds.slice(length, length + 3)).toEqual(['capture', 'completed', 'clock']);
    }
    const changes = await all.changes();
    expect(changes.filter(([, change]) => change !== 'clock')).toEqual([
      ['k', 'restored'],
      ['k', 'reset'],
      ['k', 'removed'],
    ]);
  });
});

describe('account events', () => {
  it('report accounts that are created, auto-created or forked', async () => {
    const { listen, call, post, core, getAccountId, submit } = await createListeningEmulator();
    const all = await listen();
    const [one, copy] = [await listen('?key=one'), await listen('?key=copy')];
    await call('POST', '/accounts', { key: 'one' });
    await post(CHECK, { taskId: 'x' }, 'np_test_self');
    core.tasks.submitSynchronous(getAccountId('k'), {
      ...{ family: 'prompt-generator', price: 1, input: {} },
      template: { typicalSeconds: [5, 5], steps: [{ name: 'writing', share: 1 }] },
    });
    await submit();
    await call('POST', '/accounts/k/fork', { to: 'copy' });
    expect(await all.changes()).toEqual([
      ['one', 'created'],
      ['np_test_self', 'created'],
      ['copy', 'created'],
    ]);
    expect(await one.changes()).toEqual([['one', 'created']]);
    expect(await copy.changes()).toEqual([['copy', 'created']]);
    // Comes before the refund of the copied synchronous task, which no request waits for.
    expect(copy.events().map(({ type }) => type)).toEqual(['account', 'ledger', 'task']);
  });

  it.each([
    ['speed', 'PATCH', '', { speed: 2 }, ['changed']],
    ['seed', 'PATCH', '', { seed: 'x' }, ['changed']],
    ['revoked', 'PATCH', '', { revoked: true }, ['changed']],
    ['no field', 'PATCH', '', {}, []],
    ['limit', 'PUT', '/rate-limit', { limit: 5 }, ['changed']],
    ['remaining requests', 'PUT', '/rate-limit', { remaining: 5 }, ['changed']],
    ['clock mode', 'PUT', '/clock', { mode: 'auto' }, ['clock']],
    ['an advance without transitions', 'POST', '/clock/advance', { ms: 1 }, ['clock']],
    ['an advance by 0 ms', 'POST', '/clock/advance', { ms: 0 }, []],
    ['an advance to the next transition without one', 'POST', '/clock/advance', { toNext: true }, []],
    ['snapshot', 'POST', '/snapshots', { name: 'a' }, ['snapshots']],
    ['journal', 'DELETE', '/requests', undefined, ['journal']],
    ['removal of rules without any', 'DELETE', '/faults', undefined, []],
    ['new rule', 'POST', '/faults', { at: 'task', effect: { fail: true } }, ['faults']],
    ['reset', 'POST', '/reset', undefined, ['reset']],
    ['removal', 'DELETE', '', undefined, ['removed']],
    ['rejected request', 'POST', '/clock/advance', { ms: -1 }, []],
    ['read request', 'GET', '/verdict', undefined, []],
  ])('report changes: %s (%s %s %j)', async (_description, method, path, body, expected) => {
    const { listen, call } = await createListeningEmulator();
    const [mine, other, all] = [await listen('?key=k'), await listen('?key=other'), await listen()];
    await call(method, `/accounts/k${path}`, body);
    expect(await all.changes()).toEqual(expected.map((change) => ['k', change]));
    expect(await mine.changes()).toEqual(await all.changes());
    expect(await other.changes()).toEqual([]);
  });

  it('report a poll that moves an auto clock, but not one that does not', async () => {
    const { listen, call, post, submit } = await createListeningEmulator();
    const taskId = await submit();
    await call('PUT', '/accounts/k/clock', { mode: 'auto' });
    const mine = await listen('?key=k');
    expect((await post(CHECK, { taskId }, 'k')).body.status).toBe('completed');
    await post(CHECK, { taskId }, 'k');
    expect(await mine.changes()).toEqual([['k', 'clock']]);
  });

  it('report a clock change after the transitions that it caused', async () => {
    const { listen, call, submit, core, getAccountId } = await createListeningEmulator();
    await submit();
    const mine = await listen('?key=k');
    const now = new Date(core.timeline.nowMs(core.accounts.get(getAccountId('k'))) + 3_600_000).toISOString();
    await call('PUT', '/accounts/k/clock', { mode: 'real', now });
    await mine.changes();
    expect(mine.events().map(({ to, kind, change }) => to ?? kind ?? change)).toEqual([
      'clock',
      'capture',
      'completed',
      'clock',
    ]);
  });

  it('report new and removed fault rules of an account and global ones', async () => {
    const { listen, call } = await createListeningEmulator();
    const [mine, other] = [await listen('?key=k'), await listen('?key=other')];
    const rule = { at: 'task', effect: { fail: true } };
    for (const path of ['/accounts/k/faults', '/faults']) {
      const { id } = (await call('POST', path, rule)).body;
      await call('POST', path, rule);
      expect((await call('DELETE', `${path}/999`)).status).toBe(404);
      await call('DELETE', `${path}/${id}`);
      await call('DELETE', path);
      await call('DELETE', path);
    }
    const ownChanges = Array(4).fill(['k', 'faults']);
    const globalChanges = Array(4).fill([null, 'faults']);
    expect(await mine.changes()).toEqual([...ownChanges, ...globalChanges]);
    // Global rules concern every account.
    expect(await other.changes()).toEqual(globalChanges);
  });

  it('report a restore, but nothing that happens inside of the snapshot', async () => {
    const { listen, call, core, getAccountId } = await createListeningEmulator();
    core.tasks.submitSynchronous(getAccountId('k'), {
      ...{ family: 'prompt-generator', price: 1, input: {} },
      template: { typicalSeconds: [5, 5], steps: [{ name: 'writing', share: 1 }] },
    });
    const all = await listen();
    await call('POST', '/accounts/k/snapshots', { name: 'a' });
    await call('POST', '/accounts/k/snapshots/a/restore');
    expect((await call('POST', '/accounts/k/snapshots/b/restore')).status).toBe(404);
    expect(await all.changes()).toEqual([
      ['k', 'snapshots'],
      ['k', 'restored'],
    ]);
    // The synchronous task fails in the snapshot, which is not an account with listeners.
    expect(all.events().map(({ type }) => type)).toEqual(['account', 'account']);
  });

  it('report what a global reset does to each account', async () => {
    const { listen, call, post, getAccountId } = await createListeningEmulator();
    await post(CHECK, { taskId: 'x' }, 'np_test_self');
    await call('POST', '/faults', { at: 'task', effect: { fail: true } });
    await call('DELETE', '/accounts/np_test_limited');
    const queries = ['', '?key=k', '?key=np_test_self', '?key=np_test_limited'];
    const [all, ...each] = await Promise.all(queries.map(listen));
    const before = getAccountId('k');
    await call('POST', '/reset');
    expect(getAccountId('k')).not.toBe(before);
    const changes = await all!.changes();
    expect(changes).toEqual(
      expect.arrayContaining([
        ['k', 'reset'],
        ['np_test_default', 'reset'],
        ['np_test_self', 'removed'],
        [null, 'faults'],
        ['np_test_limited', 'created'],
      ]),
    );
    expect(changes).toHaveLength(new Set(changes.map(([key]) => key)).size);
    for (const [index, expectedChange] of ['reset', 'removed', 'created'].entries()) {
      const received = await each[index]!.changes();
      expect(received.filter(([key]) => key !== null).map(([, change]) => change)).toEqual([expectedChange]);
      expect(received).toContainEqual([null, 'faults']);
    }
  });

  it('report the eviction of an auto-created account', async () => {
    const { listen, post } = await createListeningEmulator(['--auto-account-limit', '1']);
    await post(CHECK, { taskId: 'x' }, 'np_test_first');
    const [all, first] = [await listen(), await listen('?key=np_test_first')];
    await post(CHECK, { taskId: 'x' }, 'np_test_second');
    expect(await all.changes()).toEqual([
      ['np_test_first', 'removed'],
      ['np_test_second', 'created'],
    ]);
    expect(await first.changes()).toEqual([['np_test_first', 'removed']]);
  });

  it('are not emitted for rolled-back changes', async () => {
    const { listen, core, getAccountId, call } = await createListeningEmulator(['--snapshot-limit', '1']);
    await call('POST', '/accounts/k/snapshots', { name: 'a' });
    const all = await listen();
    expect((await call('POST', '/accounts/k/snapshots', { name: 'b' })).status).toBe(409);
    const runAndRollBack = core.transactions.exclusive((work: () => void) => {
      work();
      throw new Error('no');
    });
    core.accounts.change(getAccountId('k'), { seed: 'kept' });
    for (const work of [
      () => core.accounts.change(getAccountId('k'), { seed: 'x' }),
      () => core.accounts.create('new', 'control', core.accounts.getProfile(getAccountId('k'))),
      () => core.resets.reset(getAccountId('k')),
      () => core.resets.resetAll(),
      () => core.resets.remove(getAccountId('k')),
      () => core.snapshots.restore(getAccountId('k'), 'a'),
      () => core.snapshots.fork(getAccountId('k'), 'copy'),
      () => core.timeline.advance(getAccountId('k'), 1000),
      () => core.timeline.setSpeed(getAccountId('k'), 3),
      () => core.faults.add(null, { at: 'task', match: {}, effect: { fail: true } }),
      () => core.ledger.grant(getAccountId('k'), 5, 'a present', 0),
    ]) {
      expect(() => runAndRollBack(work)).toThrow('no');
    }
    core.accounts.change(getAccountId('k'), { revoked: true });
    expect(await all.changes()).toEqual([
      ['k', 'changed'],
      ['k', 'changed'],
    ]);
    expect(all.events().map(({ type }) => type)).toEqual(['account', 'account']);
  });

  it('cost nothing without listeners', async () => {
    const { core, call } = await createListeningEmulator();
    const afterCommitSpy = vi.spyOn(core.transactions, 'afterCommit');
    core.events.emit({ type: 'account', accountId: null, change: 'faults' });
    await call('PATCH', '/accounts/k', { speed: 2 });
    expect(core.events.hasListeners()).toBe(false);
    expect(afterCommitSpy).not.toHaveBeenCalled();
  });
});
