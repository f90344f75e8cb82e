import { get } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

/** An emulator with one account on a frozen clock, and helpers to call the account's operations. */
async function createControlledEmulator(key = 'k') {
  const emulator = await createTestEmulator();
  emulator.createAccount(key, { clock: { mode: 'frozen' } });
  const call = async (method: string, path: string, body?: unknown) =>
    emulator.send(method, `/__admin/accounts/${encodeURIComponent(key)}${path}`, { key: null, body });
  const submit = async (body: object = VALID): Promise<string> =>
    (await emulator.post(GENERATE, body, key)).body.taskId;
  const poll = (taskId: string) => emulator.post(CHECK, { taskId }, key);
  const getAccountId = () => emulator.account(key).id;
  return { ...emulator, key, call, submit, poll, getAccountId };
}

const callControl = async (method: string, path: string, body?: unknown) =>
  (await createTestEmulator()).send(method, `/__admin${path}`, { key: null, body });

describe('accounts', () => {
  it('are created with the given fields and defaults for the rest', async () => {
    const body = {
      key: 'team a/b'.replace(' ', '-'),
      credits: 7,
      rateLimit: null,
      speed: 2,
      failureRate: 0.25,
      clock: 'frozen',
      seed: 42,
    };
    const response = await callControl('POST', '/accounts', body);
    expect(response.status).toBe(201);
    expect(response.body).toEqual({
      key: 'team-a/b',
      credits: 7,
      rateLimit: { limit: null, remaining: null, resetAt: null },
      clock: { mode: 'frozen', now: '2026-01-15T12:00:00.000Z' },
      speed: 2,
      failureRate: 0.25,
      seed: '42',
      createdAt: '2026-01-15T12:00:00.000Z',
      revoked: false,
    });
    const created = await callControl('POST', '/accounts');
    expect(created).toMatchObject({
      status: 201,
      body: { credits: 1000, rateLimit: { limit: 100 }, speed: 60, failureRate: 0 },
    });
    expect(created.body.key).toMatch(/^np_[0-9a-f]{24}$/);
    const clock = { mode: 'auto', now: '2030-01-01T00:00:00.000Z' };
    expect((await callControl('POST', '/accounts', { clock })).body.clock).toEqual(clock);
  });

  it('cannot be created twice', async () => {
    const response = await callControl('POST', '/accounts', { key: 'np_test_default' });
    expect(response).toMatchObject({ status: 409, body: { code: 'ACCOUNT_EXISTS' } });
  });

  it('can change only limit, speed, failure rate, seed and revocation', async () => {
    const { call, post, account, key } = await createControlledEmulator();
    const changes = { rateLimit: 5, speed: 3, failureRate: 0.5, seed: 'other', revoked: true };
    expect((await call('PATCH', '', changes)).body).toMatchObject({
      rateLimit: { limit: 5 },
      speed: 3,
      failureRate: 0.5,
      seed: 'other',
      revoked: true,
      credits: 1000,
    });
    // A revoked account is still readable, but its key is rejected.
    expect((await call('GET', '')).status).toBe(200);
    expect(await post(GENERATE, VALID, key)).toMatchObject({
      status: 401,
      body: { errorCode: 'LOGIN_REQUIRED' },
    });
    expect((await call('PATCH', '', { rateLimit: null, revoked: false })).body).toMatchObject({
      rateLimit: { limit: null },
      speed: 3,
      revoked: false,
    });
    expect(account(key)).toMatchObject({ rateLimit: null, speed: 3, failureRate: 0.5, seed: 'other' });
    expect((await post(GENERATE, VALID, key)).status).toBe(200);
  });

  it('changing the speed preserves the remaining simulated time of running tasks', async () => {
    const { send, createAccount, core, clock } = await createTestEmulator();
    const { id } = createAccount('k', { speed: 10 });
    const { taskId } = (await send('POST', GENERATE, { key: 'k', body: VALID })).body;
    const { endMs } = core.tasks.find(id, taskId)!.plan;
    clock.advance(endMs / 10 / 2);
    await send('PATCH', '/__admin/accounts/k', { key: null, body: { speed: 1 } });
    clock.advance(endMs / 2 - 1);
    expect(core.worker.tick()).toBe(0);
    clock.advance(1);
    expect(core.worker.tick()).toBe(1);
  });

  it('are removed with all of their data', async () => {
    const { call, submit, core, get, post } = await createControlledEmulator();
    await submit();
    await call('POST', '/snapshots', { name: 's' });
    expect(await call('DELETE', '')).toMatchObject({ status: 204, text: '' });
    expect((await call('GET', '')).status).toBe(404);
    expect((await call('DELETE', '')).status).toBe(404);
    expect((await post(GENERATE, VALID, 'k')).status).toBe(401);
    const rows = core.db.prepare("SELECT count(*) FROM accounts WHERE key LIKE '%k%'").pluck();
    expect(rows.get()).toBe(0);
    for (const table of ['tasks', 'ledger_entries', 'faults']) {
      const orphans = core.db.prepare(
        `SELECT count(*) FROM ${table} WHERE account_id NOT IN (SELECT id FROM accounts)`,
      );
      expect(orphans.pluck().get()).toBe(0);
    }
    expect((await get('/__admin/accounts')).body.accounts).toHaveLength(6);
  });

  it('cannot have more credits than can be counted exactly', async () => {
    const { call, core, getAccountId, createAccount } = await createControlledEmulator();
    const { id } = createAccount('rich', { credits: Number.MAX_SAFE_INTEGER - 10 });
    core.ledger.grant(id, 10, 'a gift', 0);
    expect(() => core.ledger.grant(id, 1, 'a gift', 0)).toThrow(expect.objectContaining({ code: 'BALANCE_TOO_HIGH' }));
    expect(core.ledger.verify(id)).toEqual([]);
    core.ledger.grant(getAccountId(), Number.MAX_SAFE_INTEGER - 2000, 'a gift', 0);
    expect(await call('POST', '/credits', { amount: 2000 })).toMatchObject({
      status: 409,
      body: {
        error: '9007199254739991 plus 2000 credits exceed the largest balance.',
        code: 'BALANCE_TOO_HIGH',
      },
    });
  });

  it('can be granted and deducted credits, never below zero', async () => {
    const { call, core, getAccountId } = await createControlledEmulator();
    expect((await call('POST', '/credits', { amount: 5, reason: 'a gift' })).body.credits).toBe(1005);
    expect((await call('POST', '/credits', { amount: -1005 })).body.credits).toBe(0);
    expect(await call('POST', '/credits', { amount: -1 })).toMatchObject({
      status: 409,
      body: { error: '1 credits cannot be deducted from 0.', code: 'BALANCE_TOO_LOW' },
    });
    expect(core.ledger.entries(getAccountId(), 10).map(({ kind, amount, reason }) => [kind, amount, reason])).toEqual([
      ['grant', 1000, 'initial credits'],
      ['grant', 5, 'a gift'],
      ['adjust', -1005, 'by the control plane'],
    ]);
  });

  it('have a rate limit that can be set', async () => {
    const { call, poll, clock } = await createControlledEmulator();
    expect((await call('PUT', '/rate-limit', { limit: 10, remaining: 1 })).body.rateLimit).toEqual({
      limit: 10,
      remaining: 1,
      resetAt: '2026-01-15T13:00:00.000Z',
    });
    expect([(await poll('x')).status, (await poll('x')).status]).toEqual([404, 429]);
    await call('PUT', '/rate-limit', { remaining: 10 });
    expect((await poll('x')).headers['x-ratelimit-remaining']).toBe('9');
    await call('PUT', '/rate-limit', { limit: null });
    expect((await poll('x')).headers).not.toHaveProperty('x-ratelimit-limit');
    expect((await call('PUT', '/rate-limit', { remaining: 1 })).body).toMatchObject({
      code: 'INVALID_INPUT',
    });
    clock.advance(1);
    expect((await call('PUT', '/rate-limit', { limit: 3, remaining: 4 })).status).toBe(400);
    expect((await call('GET', '')).body.rateLimit.limit).toBe(null);
  });
});

describe('clock', () => {
  it('advances and lists the transitions due on the way, in order', async () => {
    const { call, submit, core, getAccountId } = await createControlledEmulator();
    const ids = [await submit(), await submit(), await submit()];
    const response = await call('POST', '/clock/advance', { ms: 600_000 });
    expect(response.body.now).toBe('2026-01-15T12:10:00.000Z');
    expect(response.body.transitions).toHaveLength(3);
    const due = ids.map((id) => core.tasks.find(getAccountId(), id)!);
    for (const { taskId, from, to, at } of response.body.transitions) {
      expect([from, to]).toEqual(['processing', 'completed']);
      expect(Date.parse(at)).toBe(due.find(({ id }) => id === taskId)!.finishedAtMs);
    }
    const timestamps = response.body.transitions.map(({ at }: { at: string }) => at);
    expect([...timestamps].sort()).toEqual(timestamps);
  });

  it('advances to the next transition, and does not move when there is none', async () => {
    const { call, post } = await createControlledEmulator();
    await post('/api/sora-2-tvc/generate', { adTheme: 'a' }, 'k');
    const next = async () => (await call('POST', '/clock/advance', { toNext: true })).body;
    expect((await next()).transitions[0]).toMatchObject({
      from: 'storyboard_script',
      to: 'storyboard_image',
    });
    expect((await next()).transitions[0]).toMatchObject({ from: 'storyboard_image', to: 'video_generation' });
    const { now } = await next();
    expect(await next()).toEqual({ now, transitions: [] });
  });

  it('changes the mode and moves forward in one request', async () => {
    const { call, submit, clock } = await createControlledEmulator();
    await submit();
    const response = await call('PUT', '/clock', { mode: 'auto', now: '2026-01-15T14:00:00.000000+01:00' });
    expect(response.body).toMatchObject({
      mode: 'auto',
      now: '2026-01-15T13:00:00.000Z',
      transitions: [{ to: 'completed' }],
    });
    await call('PUT', '/clock', { mode: 'real' });
    clock.advance(5000);
    expect((await call('GET', '')).body.clock).toEqual({ mode: 'real', now: '2026-01-15T13:00:05.000Z' });
  });

  it.each([
    ['POST', '/clock/advance', { ms: -1 }, 409],
    ['PUT', '/clock', { mode: 'frozen', now: '2020-01-01T00:00:00.000Z' }, 409],
    ['PUT', '/clock', { mode: 'real', now: '2020-01-01T00:00:00.000Z' }, 409],
    ['PUT', '/clock', { mode: 'auto', now: '9999-12-31T23:59:59.999Z' }, 409],
    ['PUT', '/clock', { mode: 'frozen', now: 'yesterday' }, 400],
    ['PUT', '/clock', { mode: 'fast' }, 400],
    ['POST', '/clock/advance', {}, 400],
    ['POST', '/clock/advance', { ms: 1, toNext: true }, 400],
    ['POST', '/clock/advance', { ms: 1.5 }, 400],
    ['POST', '/clock/advance', { ms: 1e15 }, 400],
    ['POST', '/clock/advance', { toNext: false }, 400],
  ])('rejects %s %s %j with %i and does not move', async (method, path, body, status) => {
    const { call, submit, core, getAccountId } = await createControlledEmulator();
    await submit();
    const before = core.accounts.get(getAccountId());
    const response = await call(method, path, body);
    expect(response.status).toBe(status);
    expect(response.body).toEqual({ error: expect.stringMatching(/^[A-Z].*\.$/), code: expect.any(String) });
    expect(core.accounts.get(getAccountId())).toEqual(before);
  });

  it.each([-1, Number.MIN_SAFE_INTEGER])('reports its time when asked to advance by %i ms', async (ms) => {
    const { call } = await createControlledEmulator();
    expect(await call('POST', '/clock/advance', { ms })).toMatchObject({
      status: 409,
      body: { error: 'The clock of k shows 2026-01-15T12:00:00.000Z and cannot go back.' },
    });
  });

  it('lets the longest task on the slowest account finish before the year 10000', async () => {
    const { send, core, createAccount, account } = await createTestEmulator();
    createAccount('slow', { speed: 0.000_001 });
    const body = { ...VALID, prompt: '@emulator(duration=999999999m)' };
    const { taskId } = (await send('POST', GENERATE, { key: 'slow', body })).body;
    const read = () => send('GET', `/__admin/accounts/slow/tasks/${taskId}`, { key: null });
    expect((await read()).body.dueAt).toBe('9999-12-31T00:00:00.000Z');
    core.timeline.setSpeed(account('slow').id, 1_000_000);
    core.timeline.setSpeed(account('slow').id, 0.000_001);
    expect((await read()).body.dueAt).toBe('9999-12-31T00:00:00.000Z');
    core.timeline.advanceToNext(account('slow').id);
    expect((await read()).body.status).toBe('completed');
  });

  it('in auto mode near the year 10000 still finishes tasks when polled', async () => {
    const { post, createAccount } = await createTestEmulator();
    createAccount('late', { clock: { mode: 'auto', nowMs: Date.UTC(9999, 11, 31, 23, 59) } });
    const { taskId } = (await post(GENERATE, VALID, 'late')).body;
    expect((await post(CHECK, { taskId }, 'late')).body.status).toBe('completed');
  });

  it('cannot advance to the year 10000', async () => {
    const { call } = await createControlledEmulator();
    await call('PUT', '/clock', { mode: 'frozen', now: '9999-12-30T00:00:00.000Z' });
    expect(await call('POST', '/clock/advance', { ms: 100_000_000 })).toMatchObject({
      status: 409,
      body: { error: 'The clock of k cannot go past the year 9999.', code: 'CLOCK_TOO_FAR' },
    });
  });
});

describe('tasks of the control plane', () => {
  it('include input, plan and result', async () => {
    const { call, post, submit } = await createControlledEmulator();
    const taskId = await submit();
    const { generationId } = (await post('/api/nano-banana-2/generate', { prompt: 'a', mode: 'generate' }, 'k')).body;
    const { tasks } = (await call('GET', '/tasks')).body;
    expect(tasks[0]).toEqual({
      id: taskId,
      family: 'sora-2',
      status: 'processing',
      price: 4,
      input: expect.objectContaining({ prompt: 'a dog', modelTier: 'sora2' }),
      plan: {
        steps: [{ name: 'generating', atMs: 0 }],
        endMs: expect.any(Number),
        outcome: { status: 'completed' },
      },
      step: 'generating',
      createdAt: '2026-01-15T12:00:00.000Z',
      dueAt: expect.stringMatching(/^2026-01-15T12:0/),
      finishedAt: null,
      simulatedMs: null,
      result: null,
    });
    expect(tasks[1]).toMatchObject({ generationId, family: 'nano-banana-2', step: 'pending' });
    await call('POST', '/clock/advance', { ms: 600_000 });
    expect((await call('GET', `/tasks/${taskId}`)).body).toMatchObject({
      status: 'completed',
      dueAt: null,
      simulatedMs: tasks[0].plan.endMs,
      result: { videoUrl: `http://localhost:80/media/sora/${taskId}.mp4` },
    });
  });

  it('are listed in pages and filtered by status', async () => {
    const { call, submit } = await createControlledEmulator();
    const ids = [await submit(), await submit(), await submit()];
    await call('POST', `/tasks/${ids[1]}/fail`);
    const first = (await call('GET', '/tasks?limit=2')).body;
    expect(first.tasks.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2));
    expect(first.next).toBe(ids[1]);
    const rest = (await call('GET', `/tasks?after=${first.next}`)).body;
    expect(rest.tasks.map(({ id }: { id: string }) => id)).toEqual([ids[2]]);
    const failed = (await call('GET', '/tasks?status=failed')).body.tasks;
    expect(failed.map(({ id }: { id: string }) => id)).toEqual([ids[1]]);
    expect((await call('GET', '/tasks?status=done')).status).toBe(400);
    expect((await call('GET', '/tasks?after=task_x')).status).toBe(404);
  });

  it('can be completed or failed only once', async () => {
    const { call, submit, poll, account } = await createControlledEmulator();
    const [one, two] = [await submit(), await submit()];
    expect((await call('POST', `/tasks/${one}/complete`)).body).toMatchObject({
      status: 'completed',
      simulatedMs: 0,
    });
    const failed = await call('POST', `/tasks/${two}/fail`, { error: 'AI_SERVICE_ERROR' });
    expect(failed.body).toMatchObject({ status: 'failed', result: { errorCode: 'AI_SERVICE_ERROR' } });
    expect((await poll(one)).body.status).toBe('completed');
    expect((await poll(two)).body.status).toBe('failed');
    for (const id of [one, two]) {
      for (const verb of ['complete', 'fail']) {
        expect(await call('POST', `/tasks/${id}/${verb}`)).toMatchObject({
          status: 409,
          body: { code: 'TASK_ENDED' },
        });
      }
    }
    expect(account('k').balance).toBe(996);
    expect((await call('POST', '/tasks/task_x/fail')).status).toBe(404);
    expect((await call('POST', `/tasks/${one}/fail`, { error: 'not a code' })).status).toBe(400);
  });

  it('are not found under another key', async () => {
    const { submit, get } = await createControlledEmulator();
    const taskId = await submit();
    expect((await get(`/__admin/accounts/np_test_default/tasks/${taskId}`)).status).toBe(404);
  });
});

describe('wait', () => {
  it('responds as soon as the task has the status', async () => {
    const { call, submit } = await createControlledEmulator();
    const taskId = await submit();
    const waiting = call('GET', `/wait?task=${taskId}&status=completed&timeoutMs=60000`);
    await call('POST', '/clock/advance', { ms: 600_000 });
    expect(await waiting).toMatchObject({ status: 200, body: { id: taskId, status: 'completed' } });
    expect((await call('GET', `/wait?task=${taskId}`)).body.status).toBe('completed');
    expect((await call('GET', `/wait?task=${taskId}&status=completed&timeoutMs=0`)).status).toBe(200);
  });

  it('responds when the worker finishes the task on a real clock', async () => {
    const { send, createAccount, core, clock } = await createTestEmulator();
    createAccount('k', { speed: 60 });
    core.worker.start(() => expect.unreachable());
    const { taskId } = (await send('POST', GENERATE, { key: 'k', body: VALID })).body;
    const waiting = send('GET', `/__admin/accounts/k/wait?task=${taskId}`, { key: null });
    clock.advance(5000);
    expect((await waiting).body.status).toBe('completed');
  });

  it('responds 408 on timeout, 409 when the task ends with another status, 404 when it does not exist', async () => {
    const { call, submit, clock } = await createControlledEmulator();
    const taskId = await submit();
    const waiting = call('GET', `/wait?task=${taskId}&timeoutMs=250`);
    await new Promise(setImmediate);
    clock.advance(250);
    expect(await waiting).toMatchObject({ status: 408, body: { code: 'WAIT_TIMEOUT' } });
    expect((await call('GET', `/wait?task=${taskId}&timeoutMs=0`)).status).toBe(408);
    const other = call('GET', `/wait?task=${taskId}&status=completed`);
    await call('POST', `/tasks/${taskId}/fail`);
    expect(await other).toMatchObject({ status: 409, body: { code: 'TASK_ENDED' } });
    expect((await call('GET', '/wait?task=task_x')).status).toBe(404);
    for (const query of [
      '',
      '?task=x&timeoutMs=-1',
      '?task=x&timeoutMs=600001',
      '?task=x&status=pending',
      '?task=x&a=1',
    ])
      expect((await call('GET', `/wait${query}`)).status).toBe(400);
  });

  it('responds 500, not 408, when the task cannot be read', async () => {
    const { call, submit, core } = await createControlledEmulator();
    const taskId = await submit();
    const waiting = call('GET', `/wait?task=${taskId}&timeoutMs=60000`);
    await vi.waitUntil(() => core.events.hasListeners());
    vi.spyOn(core.tasks, 'find').mockImplementationOnce(() => {
      throw new Error('disk I/O error');
    });
    await call('POST', '/credits', { amount: 1 });
    expect(await waiting).toMatchObject({ status: 500, body: { code: 'INTERNAL_ERROR' } });
  });

  it('ends when the client disconnects', async () => {
    const { app, core, call, submit } = await createControlledEmulator();
    const taskId = await submit();
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const request = get(`${url}/__admin/accounts/k/wait?task=${taskId}&timeoutMs=600000`).on('error', () => {});
    await vi.waitUntil(() => core.events.hasListeners());
    request.destroy();
    await vi.waitUntil(() => !core.events.hasListeners());
    expect((await call('GET', `/tasks/${taskId}`)).body.status).toBe('processing');
  });

  it('responds 503 when the emulator stops', async () => {
    const { app, submit, core, close } = await createControlledEmulator();
    const taskId = await submit();
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const waiting = fetch(`${url}/__admin/accounts/k/wait?task=${taskId}`);
    await vi.waitUntil(() => core.events.hasListeners());
    const closed = close();
    const response = await waiting;
    expect([response.status, await response.json()]).toEqual([
      503,
      { error: 'The emulator is stopping.', code: 'STOPPING' },
    ]);
    await closed;
  });

  it.each([
    ['POST', '/reset'],
    ['DELETE', ''],
  ])('responds 409 when the account is reset or removed (%s %s)', async (method, path) => {
    const { call, submit } = await createControlledEmulator();
    const taskId = await submit();
    const waiting = call('GET', `/wait?task=${taskId}`);
    await new Promise(setImmediate);
    await call(method, path);
    expect(await waiting).toMatchObject({ status: 409, body: { code: 'ACCOUNT_CHANGED' } });
  });
});

describe('snapshots', () => {
  it('restore credits, ledger, tasks, clock, rate limit and fault rules', async () => {
    const { call, submit, poll, core, account, getAccountId } = await createControlledEmulator();
    const before = await submit();
    await call('POST', '/clock/advance', { ms: 1000 });
    await call('POST', '/faults', { at: 'charge', effect: { errorCode: 'INTERNAL_ERROR' }, after: 1 });
    expect(await call('POST', '/snapshots', { name: 'base' })).toMatchObject({
      status: 201,
      body: { name: 'base', at: '2026-01-15T12:00:01.000Z' },
    });
    const state = async () => ({
      account: (await call('GET', '')).body,
      ledger: (await call('GET', '/ledger')).body,
      tasks: (await call('GET', '/tasks')).body,
      faults: (await call('GET', '/faults')).body.faults.map(({ id, ...rest }: { id: string }) => rest),
    });
    const saved = await state();
    const after = await submit();
    await submit();
    await call('POST', '/clock/advance', { ms: 3_600_000 });
    await call('DELETE', '/faults');
    expect((await poll(before)).body.status).toBe('completed');

    expect((await call('POST', '/snapshots/base/restore')).body).toEqual(saved.account);
    expect(await state()).toEqual(saved);
    expect((await poll(before)).body.status).toBe('processing');
    expect((await poll(after)).status).toBe(404);
    // The same requests produce the same ids again.
    expect(await submit()).toBe(after);
    await call('POST', '/clock/advance', { ms: 600_000 });
    expect((await poll(before)).body.status).toBe('completed');
    expect(core.ledger.verify(getAccountId())).toEqual([]);
    expect(account('k').balance).toBe(992);
    // A snapshot can be restored repeatedly.
    await call('POST', '/snapshots/base/restore');
    expect(await state()).toEqual(saved);
  });

  it('restore the time of a real clock and the remaining time of tasks', async () => {
    const { send, createAccount, core, clock, account } = await createTestEmulator();
    createAccount('k', { speed: 1 });
    core.worker.start(() => expect.unreachable());
    const call = (method: string, path: string, body?: unknown) =>
      send(method, `/__admin/accounts/k${path}`, { key: null, body });
    const { taskId } = (await send('POST', GENERATE, { key: 'k', body: VALID })).body;
    const { endMs } = core.tasks.find(account('k').id, taskId)!.plan;
    clock.advance(10_000);
    await call('POST', '/snapshots', { name: 's' });
    // Time does not pass in a snapshot.
    clock.advance(endMs);
    expect((await call('GET', `/tasks/${taskId}`)).body.status).toBe('completed');
    const { now } = (await call('POST', '/snapshots/s/restore')).body.clock;
    expect(now).toBe('2026-01-15T12:00:10.000Z');
    clock.advance(endMs - 10_000 - 1);
    expect((await call('GET', `/tasks/${taskId}`)).body.status).toBe('processing');
    clock.advance(1);
    expect((await call('GET', `/tasks/${taskId}`)).body.status).toBe('completed');
  });

  it('are sorted by name, replaced under the same name, and limited in number', async () => {
    const { call, account } = await createControlledEmulator();
    for (const name of ['b', 'a', 'b']) expect((await call('POST', '/snapshots', { name })).status).toBe(201);
    const { snapshots, next } = (await call('GET', '/snapshots?limit=1')).body;
    expect([snapshots[0].name, next]).toEqual(['a', 'a']);
    expect((await call('GET', '/snapshots?after=a')).body.snapshots).toHaveLength(1);
    for (let n = 0; n < 98; n++) await call('POST', '/snapshots', { name: `s${n}` });
    expect(await call('POST', '/snapshots', { name: 'one-too-many' })).toMatchObject({
      status: 409,
      body: { code: 'TOO_MANY_SNAPSHOTS' },
    });
    expect((await call('POST', '/snapshots', { name: 'a' })).status).toBe(201);
    expect(await call('POST', '/snapshots/nothing/restore')).toMatchObject({
      status: 404,
      body: { code: 'SNAPSHOT_NOT_FOUND' },
    });
    expect(account('k').balance).toBe(1000);
  });

  it('do not count as accounts', async () => {
    const { call, get, send } = await createControlledEmulator();
    await call('POST', '/snapshots', { name: 's' });
    const { accounts } = (await get('/__admin/accounts')).body;
    expect(accounts).toHaveLength(7);
    expect((await get('/metrics')).text).toContain('nanophoto_accounts 7\n');
    expect((await get('/__admin/accounts/%00k')).status).toBe(404);
    expect((await get(`/__admin/accounts/${encodeURIComponent(`\u00007\u0000s`)}`)).status).toBe(404);
    expect((await send('POST', '/__admin/reset', { key: null })).body).toEqual({ accounts: 7 });
  });
});

describe('fork', () => {
  it('copies everything except journal and snapshots to an independent account', async () => {
    const { call, submit, post, get, account } = await createControlledEmulator();
    const taskId = await submit();
    await call('POST', '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' }, after: 1 });
    await call('POST', '/snapshots', { name: 's' });
    const forked = await call('POST', '/fork', { to: 'k2' });
    expect(forked.status).toBe(201);
    expect(forked.body).toEqual({ ...(await call('GET', '')).body, key: 'k2' });
    const readFork = async (path: string) => (await get(`/__admin/accounts/k2${path}`)).body;
    expect(await readFork('/snapshots')).toEqual({ snapshots: [], next: null });
    expect(await readFork('/requests/count')).toEqual({ count: 0 });
    expect((await readFork('/faults')).faults).toHaveLength(1);
    expect((await post(CHECK, { taskId }, 'k2')).body.status).toBe('processing');
    await call('POST', '/clock/advance', { ms: 600_000 });
    expect(account('k').balance).toBe(996);
    expect((await readFork(`/tasks/${taskId}`)).status).toBe('processing');
    expect(await call('POST', '/fork', { to: 'k2' })).toMatchObject({
      status: 409,
      body: { code: 'ACCOUNT_EXISTS' },
    });
    expect((await call('POST', '/fork', { to: 'with blank' })).status).toBe(400);
    expect((await call('POST', '/fork')).status).toBe(400);
  });
});

describe('reset', () => {
  it('returns an account to its initial state, including journal, fault rules and snapshots', async () => {
    const { send, get, post, core } = await createTestEmulator();
    const body = {
      key: 'k',
      credits: 50,
      clock: { mode: 'frozen', now: '2030-01-01T00:00:00.000Z' },
      rateLimit: 9,
    };
    const created = (await send('POST', '/__admin/accounts', { key: null, body })).body;
    const call = (method: string, path: string, requestBody?: unknown) =>
      send(method, `/__admin/accounts/k${path}`, { key: null, body: requestBody });
    const { taskId } = (await post(GENERATE, VALID, 'k')).body;
    await call('POST', '/faults', { at: 'request', effect: { fail: true } });
    await call('POST', '/snapshots', { name: 's' });
    await call('PATCH', '', { speed: 7, failureRate: 0.5, rateLimit: 1, seed: 'z' });
    await call('PUT', '/clock', { mode: 'auto' });
    await call('POST', '/clock/advance', { ms: 5 });
    expect((await call('POST', '/reset')).body).toEqual(created);
    expect((await get('/__admin/accounts/k')).body).toEqual(created);
    for (const [path, name] of [
      ['/tasks', 'tasks'],
      ['/faults', 'faults'],
      ['/snapshots', 'snapshots'],
      ['/requests', 'requests'],
    ])
      expect((await call('GET', path!)).body).toEqual({ [name!]: [], next: null });
    expect((await call('GET', '/ledger')).body.entries).toHaveLength(1);
    // The same requests produce the same ids again.
    expect((await post(GENERATE, VALID, 'k')).body.taskId).toBe(taskId);
    expect(core.accounts.count()).toBe(7);
  });

  it('of the emulator removes auto-created accounts and recreates seeded ones', async () => {
    const { send, get, post, account } = await createTestEmulator();
    const listAccounts = async () => (await get('/__admin/accounts')).body.accounts;
    const before = await listAccounts();
    await post(GENERATE, VALID, 'np_test_mine');
    await post(GENERATE, VALID);
    await send('DELETE', '/__admin/accounts/np_test_empty', { key: null });
    await send('POST', '/__admin/faults', { key: null, body: { at: 'request', effect: { fail: true } } });
    expect((await send('POST', '/__admin/reset', { key: null })).status).toBe(200);
    expect(await listAccounts()).toEqual(before);
    expect(account('np_test_mine')).toBeUndefined();
    expect((await get('/__admin/faults')).body.faults).toEqual([]);
    expect((await post(GENERATE, VALID)).status).toBe(200);
  });

  it('gives an account a never-used id, so that work for the old one cannot affect it', async () => {
    const { call, getAccountId } = await createControlledEmulator();
    const ids = [getAccountId()];
    for (let n = 0; n < 3; n++) {
      await call('POST', '/reset');
      ids.push(getAccountId());
    }
    expect(new Set(ids).size).toBe(4);
    expect(ids).toEqual([...ids].sort((one, other) => one - other));
  });

  it('aborts streams, delayed responses and synchronous tasks in progress', async () => {
    const { app, call, core, getAccountId, clock } = await createControlledEmulator();
    await call('PUT', '/clock', { mode: 'real' });
    await call('PATCH', '', { speed: 1 });
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const send = (path: string, body: object, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: {
          authorization: 'Bearer k',
          'content-type': 'application/json',
          ...headers,
        },
        body: JSON.stringify(body),
      });
    const reader = (await send('/api/sora-2/generate-prompt', { topic: 'a' })).body!.getReader();
    clock.advance(3000);
    expect((await reader.read()).value!.length).toBeGreaterThan(0);
    const rest = (async () => {
      while (!(await reader.read()).done);
      return 'complete';
    })().catch(() => 'aborted');
    const delayed = send(GENERATE, VALID, { 'x-emulator-fault': 'delay=1m' });
    const working = send('/api/sora/remove-watermark', { share_link: 'https://sora.chatgpt.com/p/s_1' });
    for (const pending of [delayed, working]) pending.catch(() => {});
    await vi.waitUntil(() => core.accounts.get(getAccountId()).taskCount === 2);
    await vi.waitUntil(() => core.rateLimiter.peek(getAccountId(), clock.nowMs()).count === 3);
    await call('POST', '/reset');
    clock.advance(120_000);
    expect(await rest).toBe('aborted');
    // The connection closes without a response, rather than with one that blames the key.
    await expect(working).rejects.toThrow();
    await expect(delayed).rejects.toThrow();
    expect(core.tasks.list(getAccountId(), 10)).toEqual([]);
    expect(core.ledger.entries(getAccountId(), 10).map(({ kind }) => kind)).toEqual(['grant']);
    expect((await call('GET', '/requests/count')).body).toEqual({ count: 0 });
    expect(core.rateLimiter.peek(getAccountId(), clock.nowMs()).count).toBe(0);
  });
});

describe('control-plane requests', () => {
  it.each<[string, string, unknown, string]>([
    [
      'POST',
      '/accounts',
      { nonsense: 1 },
      'Unknown field "nonsense"; the fields are key, credits, rateLimit, clock, speed, failureRate, seed',
    ],
    ['POST', '/accounts', { key: '' }, 'key'],
    ['POST', '/accounts', { key: 'a b' }, 'visible ASCII'],
    ['POST', '/accounts', { key: '..' }, 'not "." or ".."'],
    ['POST', '/accounts', { credits: -1 }, 'credits: expected a whole number from 0'],
    ['POST', '/accounts', { credits: 1.5 }, 'credits'],
    ['POST', '/accounts', { rateLimit: 0 }, 'rateLimit'],
    ['POST', '/accounts', { speed: 0 }, 'speed: expected a number from 0.000001 to 1000000'],
    ['POST', '/accounts', { clock: 'sometimes' }, 'clock: expected real, frozen, auto, or {mode, now}'],
    ['POST', '/accounts', { clock: { mode: 'real', now: '9999-12-31T23:59:59Z' } }, 'clock: expected real, frozen'],
    ['POST', '/accounts', { clock: { mode: 'auto', now: '2026-02-30T00:00:00.000Z' } }, 'clock: expected real'],
    ['POST', '/accounts', null, 'object'],
    ['POST', '/accounts/np_test_default/clock/advance', {}, 'expected either ms or toNext'],
    ['DELETE', '/accounts/np_test_default/faults?id=3', undefined, 'Unknown field "id"; no field is allowed'],
    ['DELETE', '/accounts/np_test_default/requests?path=/x', undefined, 'Unknown field "path"; no field is allowed'],
    ['DELETE', '/accounts/np_test_default/faults', { id: '3' }, 'Unknown field "id"; no field is allowed'],
    ['GET', '/accounts/np_test_default/verdict?status=1', undefined, 'Unknown field "status"; no field is allowed'],
    ['POST', '/reset?key=k', undefined, 'Unknown field "key"; no field is allowed'],
    ['POST', '/accounts', { seed: {} }, 'seed: expected a string of 1 to 200 characters or a whole number'],
    ['POST', '/accounts', { seed: '\ud800' }, 'seed: expected a text without lone surrogates'],
    ['POST', '/accounts', [], 'object'],
    [
      'PATCH',
      '/accounts/np_test_default',
      { credits: 5 },
      'Unknown field "credits"; the fields are rateLimit, speed, failureRate, seed, revoked',
    ],
    ['PATCH', '/accounts/np_test_default', { revoked: 'yes' }, 'revoked'],
    ...[-0.1, 1.5, 'x', null, Number.NaN].flatMap((failureRate): [string, string, unknown, string][] => [
      ['POST', '/accounts', { failureRate }, 'failureRate: expected a number from 0 to 1'],
      ['PATCH', '/accounts/np_test_default', { failureRate }, 'failureRate: expected a number from 0 to 1'],
    ]),
    ['POST', '/accounts/np_test_default/credits', {}, 'amount'],
    ['POST', '/accounts/np_test_default/credits', { amount: 0 }, 'amount: expected a number of credits other than 0'],
    ['POST', '/accounts/np_test_default/credits', { amount: '5' }, 'amount'],
    [
      'POST',
      '/accounts/np_test_default/credits',
      { amount: 5, reason: ' ' },
      'reason: expected a string of 1 to 500 characters',
    ],
    [
      'POST',
      '/accounts/np_test_default/credits',
      { amount: 5, reason: 'a\udc00' },
      'reason: expected a text without lone surrogates',
    ],
    ['GET', '/accounts/np_test_default/wait?task=', undefined, 'task: expected a string of 1 to 200 characters'],
    ['PUT', '/accounts/np_test_default/rate-limit', { limit: -5 }, 'limit'],
    ['POST', '/accounts/np_test_default/snapshots', {}, 'name'],
    ['POST', '/accounts/np_test_default/reset', { all: true }, 'Unknown field "all"; no field is allowed'],
    ['POST', '/faults', {}, 'at'],
    ['POST', '/faults', { at: 'never', effect: { fail: true } }, 'at: expected one of "request"|"charge"'],
    [
      'POST',
      '/faults',
      { at: 'request', effect: {} },
      'effect: expected at least one of errorCode, fail, hang, delayMs, reset',
    ],
    ['POST', '/faults', { at: 'request', effect: { status: 500 } }, 'effect: expected at least one of errorCode'],
    [
      'POST',
      '/faults',
      { at: 'task', effect: { reset: true } },
      'effect.reset: not allowed at task; the effects are errorCode, fail, hang, durationMs',
    ],
    ['POST', '/faults', { at: 'request', effect: { fail: false } }, 'effect.fail: expected true'],
    [
      'POST',
      '/faults',
      { at: 'request', effect: { errorCode: 'NO_CODE' } },
      'effect.errorCode: expected a documented error code',
    ],
    ['POST', '/faults', { at: 'request', effect: { fail: true }, times: 0 }, 'times: expected a whole number from 1'],
    ['POST', '/faults', { at: 'request', effect: { fail: true }, probability: 2 }, 'probability'],
    ['POST', '/faults', { at: 'request', effect: { fail: true }, match: { family: 'sora' } }, 'match.family'],
    [
      'POST',
      '/faults',
      { at: 'request', effect: { fail: true }, match: { path: '/' } },
      'Unknown field "path"; the fields are family, endpoint, contains',
    ],
  ])('%s %s %j is rejected with the allowed values', async (method, path, body, expectedText) => {
    const response = await callControl(method, path, body);
    expect([response.status, response.body.code]).toEqual([400, 'INVALID_INPUT']);
    expect(response.body.error).toContain(expectedText);
  });
});
