import { get } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

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
  let marks = 0;

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
    /** Who and what changed, of all that has been told by now. */
    async function changes(): Promise<[string | null, string][]> {
      // Everybody is told of it, after all that happened before.
      marks += 1;
      emulator.core.events.emit({ type: 'account', accountId: null, change: `mark ${marks}` as never });
      const mark = `mark ${marks}`;
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
  const idOf = (key: string) => account(key).id;
  return { ...emulator, listen, call, submit, idOf };
}

describe('events', () => {
  it('have as many listeners as like, and forget those that leave', async () => {
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

  it('are not kept for a HEAD, which gets none', async () => {
    const { send, core } = await createTestEmulator();
    expect((await send('HEAD', '/__admin/events', { key: null })).status).toBe(404);
    expect(core.events.hasListeners()).toBe(false);
  });

  it('tell tasks, ledger, requests and faults as they happen, of one account or of all', async () => {
    const { post, core, listen, submit, idOf, close } = await createListeningEmulator();
    const mine = await listen('?key=k');
    const all = await listen();
    core.faults.add(idOf('k'), { match: {}, at: 'task', effect: { durationMs: 5000 } });
    await post(GENERATE, VALID, 'np_test_other');
    const taskId = await submit();
    core.timeline.advance(idOf('k'), 5000);
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
});

describe('what no other event tells', () => {
  it('is that an account was made: by a call, by itself, as a copy', async () => {
    const { listen, call, post, core, idOf, submit } = await createListeningEmulator();
    const all = await listen();
    const [one, copy] = [await listen('?key=one'), await listen('?key=copy')];
    await call('POST', '/accounts', { key: 'one' });
    await post(CHECK, { taskId: 'x' }, 'np_test_self');
    core.tasks.submitSynchronous(idOf('k'), {
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
    // It comes first of all that is told of it: what nobody answers for the copy is refunded there.
    expect(copy.events().map(({ type }) => type)).toEqual(['account', 'ledger', 'task']);
  });

  it.each([
    ['speed', 'PATCH', '', { speed: 2 }, ['changed']],
    ['seed', 'PATCH', '', { seed: 'x' }, ['changed']],
    ['revocation', 'PATCH', '', { revoked: true }, ['changed']],
    ['nothing', 'PATCH', '', {}, []],
    ['limit', 'PUT', '/rate-limit', { limit: 5 }, ['changed']],
    ['rest of the hour', 'PUT', '/rate-limit', { remaining: 5 }, ['changed']],
    ['way of time', 'PUT', '/clock', { mode: 'auto' }, ['clock']],
    ['time, by an advance on which nothing falls due', 'POST', '/clock/advance', { ms: 1 }, ['clock']],
    ['nothing, where an advance is none', 'POST', '/clock/advance', { ms: 0 }, []],
    ['nothing, where nothing is due', 'POST', '/clock/advance', { toNext: true }, []],
    ['past, kept', 'POST', '/snapshots', { name: 'a' }, ['snapshots']],
    ['journal', 'DELETE', '/requests', undefined, ['journal']],
    ['nothing, where there are no rules', 'DELETE', '/faults', undefined, []],
    ['rules', 'POST', '/faults', { at: 'task', effect: { fail: true } }, ['faults']],
    ['whole', 'POST', '/reset', undefined, ['reset']],
    ['being', 'DELETE', '', undefined, ['removed']],
    ['nothing, where it is refused', 'POST', '/clock/advance', { ms: -1 }, []],
    ['nothing, where it is only looked at', 'GET', '/verdict', undefined, []],
  ])('is a change of its %s (%s %s %j)', async (_description, method, path, body, expected) => {
    const { listen, call } = await createListeningEmulator();
    const [mine, other, all] = [await listen('?key=k'), await listen('?key=other'), await listen()];
    await call(method, `/accounts/k${path}`, body);
    expect(await all.changes()).toEqual(expected.map((change) => ['k', change]));
    expect(await mine.changes()).toEqual(await all.changes());
    expect(await other.changes()).toEqual([]);
  });

  it('is that time moved, where a poll moved it, and not where it stood', async () => {
    const { listen, call, post, submit } = await createListeningEmulator();
    const taskId = await submit();
    await call('PUT', '/accounts/k/clock', { mode: 'auto' });
    const mine = await listen('?key=k');
    expect((await post(CHECK, { taskId }, 'k')).body.status).toBe('completed');
    await post(CHECK, { taskId }, 'k');
    expect(await mine.changes()).toEqual([['k', 'clock']]);
  });

  it('is that time moved with what fell due on the way, which comes first', async () => {
    const { listen, call, submit, core, idOf } = await createListeningEmulator();
    await submit();
    const mine = await listen('?key=k');
    const now = new Date(core.timeline.nowMs(core.accounts.get(idOf('k'))) + 3_600_000).toISOString();
    await call('PUT', '/accounts/k/clock', { mode: 'real', now });
    await mine.changes();
    expect(mine.events().map(({ to, kind, change }) => to ?? kind ?? change)).toEqual([
      'clock',
      'capture',
      'completed',
      'clock',
    ]);
  });

  it('is that rules were set or removed, one or all, for one or for everybody', async () => {
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
    // What is for everybody concerns each.
    expect(await other.changes()).toEqual(globalChanges);
  });

  it('is that an account is as it was, and nothing of the snapshot itself', async () => {
    const { listen, call, core, idOf } = await createListeningEmulator();
    core.tasks.submitSynchronous(idOf('k'), {
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
    // In the snapshot the task that nobody answers has failed: no account has had that happen.
    expect(all.events().map(({ type }) => type)).toEqual(['account', 'account']);
  });

  it('is what a reset of everything does to each', async () => {
    const { listen, call, post, idOf } = await createListeningEmulator();
    await post(CHECK, { taskId: 'x' }, 'np_test_self');
    await call('POST', '/faults', { at: 'task', effect: { fail: true } });
    await call('DELETE', '/accounts/np_test_limited');
    const queries = ['', '?key=k', '?key=np_test_self', '?key=np_test_limited'];
    const [all, ...each] = await Promise.all(queries.map(listen));
    const before = idOf('k');
    await call('POST', '/reset');
    expect(idOf('k')).not.toBe(before);
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

  it('is that an account has made room for another one', async () => {
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

  it('is nothing that was undone', async () => {
    const { listen, core, idOf, call } = await createListeningEmulator(['--snapshot-limit', '1']);
    await call('POST', '/accounts/k/snapshots', { name: 'a' });
    const all = await listen();
    expect((await call('POST', '/accounts/k/snapshots', { name: 'b' })).status).toBe(409);
    const runAndRollBack = core.transactions.exclusive((work: () => void) => {
      work();
      throw new Error('no');
    });
    core.accounts.change(idOf('k'), { seed: 'kept' });
    for (const work of [
      () => core.accounts.change(idOf('k'), { seed: 'x' }),
      () => core.accounts.create('new', 'control', core.accounts.getProfile(idOf('k'))),
      () => core.resets.reset(idOf('k')),
      () => core.resets.resetAll(),
      () => core.resets.remove(idOf('k')),
      () => core.snapshots.restore(idOf('k'), 'a'),
      () => core.snapshots.fork(idOf('k'), 'copy'),
      () => core.timeline.advance(idOf('k'), 1000),
      () => core.timeline.setSpeed(idOf('k'), 3),
      () => core.faults.add(null, { at: 'task', match: {}, effect: { fail: true } }),
      () => core.ledger.grant(idOf('k'), 5, 'a present', 0),
    ]) {
      expect(() => runAndRollBack(work)).toThrow('no');
    }
    core.accounts.change(idOf('k'), { revoked: true });
    expect(await all.changes()).toEqual([
      ['k', 'changed'],
      ['k', 'changed'],
    ]);
    expect(all.events().map(({ type }) => type)).toEqual(['account', 'account']);
  });

  it('costs nothing while nobody listens', async () => {
    const { core, call } = await createListeningEmulator();
    const afterCommitSpy = vi.spyOn(core.transactions, 'afterCommit');
    core.events.emit({ type: 'account', accountId: null, change: 'faults' });
    await call('PATCH', '/accounts/k', { speed: 2 });
    expect(core.events.hasListeners()).toBe(false);
    expect(afterCommitSpy).not.toHaveBeenCalled();
  });
});
