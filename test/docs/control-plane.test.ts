import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram, startCommand } from '../support/command.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/control-plane.md'), 'utf8');

/** Each call of the page: what its heading says, and the lines below it. */
const CALLS = page
  .split(/^### /m)
  .slice(1)
  .map((part) => {
    const [, method, path, status] = /^`(\w+) (\S+)` → (\d+)\n/.exec(part)!;
    const [, table = ''] = /^\| field \|.*\n.*\n((?:\|.*\n)*)/m.exec(part) ?? [];
    const fields = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, field]) => field!);
    const lines = /```sh\n([\s\S]*?)```/.exec(part)![1]!;
    return { method: method!, path: path!, status: status!, part, fields, lines };
  });

const hasCurl = hasProgram('curl', '--version');

describe('the page on the control plane', () => {
  it.skipIf(!hasCurl)('has lines that work when pasted one after the other, with the status it says', async () => {
    const { url } = await startCommand();
    const codes = join(tempDir(), 'codes');
    // The status of each call goes to a file, so that what the lines print is what they would print.
    const curl = `curl() { command curl -w '%{stderr}%{http_code} ' "$@" 2>>'${codes}'; }`;
    const script = CALLS.map(({ lines }) => `${lines}\necho >>'${codes}'`).join('\n');
    const pasted = `${curl}\n${script.replaceAll('http://127.0.0.1:6266', url)}`;
    expect(pasted).not.toContain('6266');
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', pasted]);
    const told = readFileSync(codes, 'utf8').trimEnd().split('\n');
    const statuses = told.map((line) => line.trim().split(' '));
    // The last of each block is the call itself; those before it prepare it.
    expect(statuses.map((all) => all.at(-1))).toEqual(CALLS.map(({ status }) => status));
    expect(statuses.flat().filter((status) => !/^20[014]$/.test(status))).toEqual([]);
    expect(stdout).toContain('"status":"ready"');
    expect(stdout).toMatch(/"transitions":\[\{"taskId":"task_\w+","from":"processing","to":"completed"/);
    expect(stdout).toContain('{"ok":true,"problems":[]}');
  });

  it('has every call there is, and none that there is not', async () => {
    const { app } = await createTestEmulator();
    const served = new Set<string>();
    const parents: string[] = [];
    // What Fastify prints of its routes, a branch a line: "│   ├── /reset (POST)".
    for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
      const [, indent, segment, methods] = /^([│ ]*)[├└]── (\S*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? [];
      if (segment === undefined) continue;
      const depth = indent!.length / 4;
      parents.length = depth;
      parents[depth] = segment;
      const path = parents.join('').replaceAll(/:(\w+)/g, '{$1}');
      for (const method of methods?.split(', ') ?? []) served.add(`${method} ${path}`);
    }
    const own = [...served].filter((call) =>
      /^(GET|POST|PUT|PATCH|DELETE) \/(__admin|health|ready|metrics)/.test(call),
    );
    expect(own.length).toBeGreaterThan(30);
    expect(CALLS.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(own.sort());
  });

  it('has every field there is, and none that there is not', async () => {
    const { send, post } = await createTestEmulator();
    const { taskId } = (await post('/api/sora-2/generate', { prompt: 'a dog', mode: 'textToVideo' })).body;
    /** For those that cannot be absent: a call that misses one tells that first. */
    const needed: Record<string, unknown> = { amount: 1, mode: 'auto', name: 'a', to: 'b', task: 'c' };
    let fields = 0;
    for (const { method, path, part, fields: told } of CALLS) {
      // Rules have a page of their own, and what is removed is named by its path alone.
      const isElsewhere = method === 'POST' && path.endsWith('/faults');
      if (!path.startsWith('/__admin') || method === 'DELETE' || isElsewhere) continue;
      const sent = path.replace('{key}', 'np_test_default').replace('{id}', taskId);
      // A call tells which fields it knows when it is given another; one that knows none may not look.
      const given = told.filter((field) => field in needed).map((field) => [field, needed[field]]);
      const body = Object.fromEntries([['nonsense', '1'], ...given]);
      const isRead = method === 'GET';
      const answer = await send(method, isRead ? `${sent}?${new URLSearchParams(body)}` : sent, {
        key: null,
        ...(!isRead && { body }),
      });
      expect(answer.body?.error ?? '', `${method} ${path}`).not.toContain('Missing');
      const [, known = ''] = /^There is no "nonsense", only (.*)\.$/.exec(answer.body?.error) ?? [];
      const taken = known.split(', ').filter((field) => /^\w+$/.test(field));
      const isList = taken.includes('after');
      // Those that all lists have are told at the top of the page.
      const own = taken.filter((field) => !(isList && ['limit', 'after'].includes(field)));
      expect([...told].sort(), `${method} ${path}`).toEqual(own.sort());
      expect(part.includes('"next"}'), `${method} ${path}`).toBe(isList);
      fields += own.length;
    }
    expect(fields).toBeGreaterThan(20);
  });
});
