import { execFile, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest';
import * as z from 'zod';
import { type AccountState, ControlError, connectEmulator, type StartOptions, startEmulator } from '../../src/index.ts';
import type { Config } from '../../src/settings/config.ts';
import { buildDocument } from '../support/account-document.ts';
import { tempDir } from '../support/temp-dir.ts';

const LIBRARY = new URL('../../dist/index.mjs', import.meta.url).href;

async function started(options?: StartOptions) {
  const emulator = await startEmulator(options);
  onTestFinished(() => emulator.close());

  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  async function post(path: string, body: object, key: string): Promise<any> {
    const response = await fetch(emulator.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(body),
    });
    return response.json();
  }
  const order = async (key: string, prompt = 'a cat'): Promise<string> =>
    (await post('/api/sora-2/generate', { prompt, mode: 'textToVideo' }, key)).taskId;
  const poll = (key: string, taskId: string) => post('/api/sora-2/check-status', { taskId }, key);
  return { emulator, post, order, poll };
}

const CYCLIC: { self?: object } = {};
CYCLIC.self = CYCLIC;

describe('in-process emulator', () => {
  it('listens on a free port, in memory, independently of other instances', async () => {
    const [one, other] = [await started({ clock: 'auto' }), await started()];
    expect(one.emulator.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(one.emulator.url).toContain(String(one.emulator.port));
    expect(one.emulator.apiKey).toBe('np_test_default');
    const taskId = await one.order('np_test_default');
    expect(await one.poll('np_test_default', taskId)).toMatchObject({ status: 'completed' });
    expect(await other.emulator.account('np_test_default').tasks.list()).toEqual([]);
  });

  it('accepts the settings of the command and no others', async () => {
    expectTypeOf<Exclude<keyof StartOptions, 'state' | 'artifacts'>>().toEqualTypeOf<keyof Config>();
    const { emulator } = await started({
      rateLimit: null,
      speed: 5,
      failureRate: 1e-7,
      seed: 'mine',
      autoAccounts: false,
    });
    expect(await emulator.account('np_test_default').get()).toMatchObject({
      rateLimit: { limit: null },
      speed: 5,
      failureRate: 1e-7,
      seed: 'mine',
    });
  });

  it.each([
    [{ speed: 0 }, 'speed must be a number from 0.000001 to 1000000, not "0".'],
    [{ rateLimit: 1.5 }, 'rateLimit must be a whole number from 1 to 1000000000, or off, not "1.5".'],
    [{ failureRate: -0.1 }, 'failureRate must be a number from 0 to 1, not "-0.1".'],
    [{ failureRate: Number.NaN }, 'failureRate must be a number from 0 to 1, not "NaN".'],
    [{ failureRate: null }, 'failureRate must be a number from 0 to 1, not null.'],
    [{ clock: 'fast' }, 'clock must be real, frozen or auto, not "fast".'],
    [{ sped: 1 }, /^Unknown option sped; the options are port, host, /],
    [{ seedFile: '/no/such.json' }, 'The seed file /no/such.json cannot be read; check the path after seedFile.'],
    [{ host: '192.0.2.1' }, 'This machine has no address 192.0.2.1; choose another with host.'],
    [{ artifacts: '' }, 'artifacts must be the path of a directory.'],
    [{ artifacts: '/dev/null' }, '/dev/null is a file; choose a directory.'],
    [{ artifacts: 'x', journalEntries: 0 }, 'artifacts needs the journal; leave out journalEntries 0.'],
    [null, 'The options must be an object.'],
    ['port', 'The options must be an object.'],
    [{ host: null }, 'host must be an address to listen on, such as 127.0.0.1, not null.'],
    [{ port: 'x' }, /^port must be /],
  ] as [object, string | RegExp][])('refuses %j with one sentence', async (options, sentence) => {
    await expect(startEmulator(options)).rejects.toThrow(sentence);
  });

  it('starts with states, given as documents or as files', async () => {
    const document = buildDocument() as AccountState;
    const file = join(tempDir(), 'state.json');
    writeFileSync(file, JSON.stringify(buildDocument({ key: 'np_test_default' })));
    const { emulator } = await started({ state: [document, file] });
    expect(emulator.apiKey).toBe('np_imported');
    for (const key of ['np_imported', 'np_test_default']) {
      expect(await emulator.account(key).get()).toMatchObject({ credits: 2, rateLimit: { remaining: 43 } });
    }
    expect(await emulator.account('np_test_empty').get()).toMatchObject({ credits: 0 });
    const one = await started({ state: document });
    expect(await one.emulator.account('np_imported').exportState()).toEqual(document);
  });

  it.each([
    ['/no/such.json', 'The state /no/such.json cannot be read; check the path in the option state.'],
    [{ ...buildDocument(), version: 2 }, /^The state is invalid at version: /],
    [{ ...buildDocument(), tasks: [] }, 'The state is invalid at ledger[1]: the hold has no task.'],
    [[buildDocument(), buildDocument()], 'Two states have the key np_imported; remove one of the two.'],
    [[buildDocument({ key: 'a' }), { ...buildDocument(), tasks: [] }], 'State number 2 is invalid at ledger[1]: '],
    [CYCLIC, 'The state is not valid JSON: Converting circular structure to JSON.'],
    [{ ...buildDocument(), account: 5n }, /^The state is not valid JSON: Do not know how to serialize a BigInt\.$/],
    [7, /^The state is invalid at the top level: expected an object\.$/],
  ] as [AccountState, string | RegExp][])('refuses a state that is not valid (%#)', async (state, sentence) => {
    await expect(startEmulator({ state })).rejects.toThrow(sentence);
  });

  it('releases the data directory when a state is not valid', async () => {
    const dataDir = tempDir();
    const state = { ...buildDocument(), tasks: [] } as unknown as AccountState;
    await expect(startEmulator({ dataDir, state })).rejects.toThrow('the hold has no task');
    await (await startEmulator({ dataDir })).close();
  });

  it('exports and imports states without occupying the event loop', async () => {
    const { emulator } = await started();
    const state = buildDocument() as AccountState;
    for (let seq = 5; seq <= 20_000; seq++) {
      state.ledger.push({ seq, kind: 'adjust', amount: 1, balance: seq - 2, at: '2026-01-15T12:02:00.000Z' });
    }
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const account = await emulator.accounts.importState(state, { key: 'np_copy' });
    expect(turns).toBeGreaterThan(20);
    const turnsBefore = turns;
    const exported = await account.exportState({ include: ['verdict'] });
    isDone = true;
    expect(turns - turnsBefore).toBeGreaterThan(50);
    expect(exported).toEqual({
      ...state,
      account: { ...state.account, key: 'np_copy' },
      verdict: { ok: true, findings: [] },
    });
    await emulator.accounts.importState(state, { key: 'np_copy', replace: true });
    await expect(emulator.accounts.importState(state, { key: 'np_copy' })).rejects.toMatchObject({
      code: 'ACCOUNT_EXISTS',
    });
  });

  it('ignores the environment of the process', async () => {
    process.env.NANOPHOTO_EMULATOR_SPEED = 'nonsense';
    onTestFinished(() => void delete process.env.NANOPHOTO_EMULATOR_SPEED);
    await started();
  });

  it('keeps its data with dataDir', async () => {
    const dataDir = tempDir();
    const first = await startEmulator({ dataDir });
    await first.account('np_test_default').credit(5);
    await first.close();
    const { emulator } = await started({ dataDir });
    expect((await emulator.account('np_test_default').get()).credits).toBe(1005);
  });

  it('can be closed twice, and by leaving the scope', async () => {
    let url: string;
    {
      await using emulator = await startEmulator();
      url = emulator.url;
      expect((await fetch(`${url}/health`, { headers: { connection: 'close' } })).status).toBe(200);
      await emulator.close();
    }
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it('closes once, however often it is closed', async () => {
    const emulator = await startEmulator();
    const closing = emulator.close();
    expect(emulator.close()).toBe(closing);
    expect(emulator[Symbol.asyncDispose]()).toBe(closing);
    await closing;
    expect(emulator.close()).toBe(closing);
  });

  it('rejects calls as soon as it is closing', async () => {
    const emulator = await startEmulator();
    const closing = emulator.close();
    for (const isClosed of [false, true]) {
      if (isClosed) await closing;
      for (const call of [() => emulator.reset(), () => emulator.account('x').get(), () => emulator.certificate()]) {
        const refused = call();
        await expect(refused).rejects.toThrow(ControlError);
        await expect(refused).rejects.toMatchObject({
          message: 'This emulator is closed.',
          code: 'EMULATOR_CLOSED',
          status: 503,
        });
      }
    }
  });

  it('returns the port for HTTPS if there is one', async () => {
    const { emulator } = await started({ httpsPort: 0 });
    expect(emulator.httpsPort).toBeGreaterThan(0);
    expect(emulator.httpsPort).not.toBe(emulator.port);
    expect((await started()).emulator.httpsPort).toBeUndefined();
  });

  it('shares its schemas with other instances, because creating them takes longer than the rest of a start', async () => {
    await started();
    const register = vi.spyOn(z.globalRegistry, 'add');
    onTestFinished(() => register.mockRestore());
    await started();
    expect(register).not.toHaveBeenCalled();
  });

  it('lets the process exit after close', async () => {
    const script = `
      import { startEmulator } from ${JSON.stringify(LIBRARY)};
      const emulator = await startEmulator();
      await fetch(emulator.url + '/health');
      await emulator.close();
      console.log('closed');`;
    const args = ['--input-type=module', '-e', script];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 10_000 });
    expect([stdout, stderr]).toEqual(['closed\n', '']);
  });

  it('leaves no listener on the process when it has logged to a file', () => {
    const script = `
      import { startEmulator } from ${JSON.stringify(LIBRARY)};
      for (let number = 0; number < 12; number++) await (await startEmulator({ logLevel: 'info' })).close();`;
    const file = openSync(join(tempDir(), 'log'), 'w');
    onTestFinished(() => closeSync(file));
    const args = ['--input-type=module', '-e', script];
    const { status, stderr } = spawnSync(process.execPath, args, { stdio: ['ignore', file, 'pipe'], encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});

describe('client of the in-process emulator', () => {
  it('creates, reads, changes and removes accounts', async () => {
    const { emulator } = await started();
    const account = await emulator.accounts.create({ credits: 7, rateLimit: 3, clock: 'frozen', seed: 1 });
    expect(account.key).toMatch(/^np_\w{24}$/);
    expect(await account.get()).toMatchObject({ credits: 7, clock: { mode: 'frozen' }, seed: '1' });
    expect(await account.change({ speed: 2, failureRate: 0.5 })).toMatchObject({ speed: 2, failureRate: 0.5 });
    expect(await account.credit(3, 'more')).toMatchObject({ credits: 10 });
    expect(await account.rateLimit({ remaining: 0 })).toMatchObject({
      rateLimit: { limit: 3, remaining: 0 },
    });
    expect((await emulator.accounts.list()).map(({ key }) => key)).toContain(account.key);
    expect(await account.remove()).toBeUndefined();
    await expect(account.get()).rejects.toThrow(ControlError);
    await expect(account.get()).rejects.toMatchObject({ code: 'ACCOUNT_NOT_FOUND', status: 404 });
  });

  it('accepts keys and names with any characters', async () => {
    const { emulator } = await started();
    const account = await emulator.accounts.create({ key: 'a/b?c#d%' });
    await account.snapshots.take('first.state-1');
    await account.credit(-1000);
    expect(await account.snapshots.list()).toMatchObject([{ name: 'first.state-1' }]);
    expect(await account.snapshots.restore('first.state-1')).toMatchObject({ credits: 1000 });
    const copy = await account.fork('copy/of/it');
    expect(await copy.get()).toMatchObject({ key: 'copy/of/it', credits: 1000 });
    expect(await account.reset()).toMatchObject({ credits: 1000 });
  });

  it.each(['', '.', '..'])('rejects the name "%s", which would change the path', async (name) => {
    const { emulator } = await started();
    expect(() => emulator.account(name)).toThrow(ControlError);
    const { key, tasks, faults } = await emulator.accounts.create();
    expect(() => tasks.get(name)).toThrow(ControlError);
    expect(() => faults.remove(name)).toThrow(ControlError);
    expect(await emulator.account(key).get()).toMatchObject({ key });
  });

  it('advances time and returns the transitions', async () => {
    const { emulator, order } = await started();
    const { key, clock, tasks } = await emulator.accounts.create({ clock: 'frozen' });
    const [first, second, third] = [await order(key), await order(key), await order(key)];
    expect((await clock.advanceToNext()).transitions).toMatchObject([{ from: 'processing', to: 'completed' }]);
    expect((await clock.advance(3_600_000)).transitions).toHaveLength(2);
    expect((await clock.set('real')).mode).toBe('real');
    expect((await tasks.list({ status: 'completed' })).map(({ id }) => id)).toEqual([first, second, third]);
  });

  it('finishes tasks and waits for them', async () => {
    const { emulator, order } = await started();
    const { key, tasks, ledger, verifyLedger } = await emulator.accounts.create({
      clock: 'frozen',
      credits: 8,
    });
    const [one, other] = [await order(key), await order(key)];
    const waiting = tasks.wait(one, { timeoutMs: 10_000 });
    await tasks.complete(one);
    expect(await waiting).toMatchObject({ status: 'completed', result: { videoUrl: expect.any(String) } });
    expect(await tasks.fail(other, 'MADE_UP')).toMatchObject({ result: { errorCode: 'MADE_UP' } });
    expect(await tasks.get(other)).toMatchObject({ family: 'sora-2', price: 4, status: 'failed' });
    await expect(tasks.complete(other)).rejects.toMatchObject({ code: 'TASK_ENDED', status: 409 });
    const { balance, held, entries } = await ledger();
    expect([balance, held, entries.length]).toEqual([4, 0, 5]);
    expect(await verifyLedger()).toEqual({ ok: true, problems: [] });
  });

  it('creates rules for one account and for all, reads journals and verdicts', async () => {
    const { emulator, order, poll } = await started({ clock: 'auto' });
    const { key, faults, requests, verdict } = await emulator.accounts.create();
    const rule = await faults.add({ at: 'charge', effect: { errorCode: 'GENERATION_FAILED' }, times: 1 });
    expect(await order(key)).toBeUndefined();
    expect(await faults.list()).toMatchObject([{ id: rule.id, fired: 1 }]);
    await faults.remove(rule.id);
    await faults.clear();
    const global = await emulator.faults.add({ at: 'task', effect: { fail: true } });
    const taskId = await order(key);
    expect(await poll(key, taskId)).toMatchObject({ status: 'failed' });
    await poll(key, taskId);
    await emulator.faults.remove(global.id);
    expect(await emulator.faults.list()).toEqual([]);
    expect(await requests.count()).toBe(4);
    expect(await requests.count({ status: 500 })).toBe(1);
    expect(await requests.list({ path: '/api/sora-2/check-status' })).toHaveLength(2);
    expect(await verdict()).toMatchObject({ ok: false, findings: [{ code: 'POLLED_AFTER_END' }] });
    await requests.clear();
    expect(await requests.list()).toEqual([]);
    expect(await emulator.reset()).toEqual({ accounts: (await emulator.accounts.list()).length });
  });

  it('reads a file of a task, in-process and over HTTP', async () => {
    const { emulator, order } = await started();
    const { key, tasks } = await emulator.accounts.create({ clock: 'frozen' });
    const id = await order(key);
    await expect(tasks.file(id, 'videoUrl')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', status: 404 });
    const { result } = await tasks.complete(id);
    const response = await fetch(`${emulator.url}${new URL(result!.videoUrl!).pathname}`);
    const expected = new Uint8Array(await response.arrayBuffer());
    expect(expected.length).toBeGreaterThan(1000);
    expect(await tasks.file(id, 'videoUrl')).toEqual(expected);
    expect(await connectEmulator(emulator.url).account(key).tasks.file(id, 'videoUrl')).toEqual(expected);
    await expect(tasks.file(id, 'imageUrl')).rejects.toThrow(ControlError);
  });

  it('reads lists of any length, page by page', async () => {
    const { emulator } = await started();
    const account = await emulator.accounts.create({ credits: 1 });
    for (let n = 0; n < 1100; n++) await account.credit(1);
    const { entries } = await account.ledger();
    expect(entries.map(({ id }) => Number(id))).toEqual(Array.from({ length: 1101 }, (_, place) => place + 1));
  });

  it('works the same over HTTP', async () => {
    const adminToken = 'a-token!';
    const { emulator } = await started({ adminToken });
    const far = connectEmulator(emulator.url, { adminToken });
    const { key } = await far.accounts.create({ key: 'from-afar' });
    const { clock: _, ...near } = await emulator.account(key).get();
    expect(await far.account(key).get()).toMatchObject(near);
    expect(await far.account(key).summary()).toMatch(/^# Account\n/);
    await far.account(key).remove();
    await expect(connectEmulator(emulator.url).accounts.list()).rejects.toMatchObject({ status: 401 });
  });

  it('has a method for every operation of the control plane', async () => {
    const { emulator } = await started();
    const account = emulator.account('x');
    const methods = (value: object): number =>
      Object.values(value).reduce(
        (sum, part) => sum + (typeof part === 'function' ? 1 : typeof part === 'object' ? methods(part) : 0),
        0,
      );
    // The operations of docs/reference/control-plane.md without health, ready, metrics and events. Wait and advance
    // count twice.
    expect(methods(account)).toBe(35);
  });
});
