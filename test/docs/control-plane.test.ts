import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram } from '../support/command.ts';
import { createTestEmulator, serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/reference/control-plane.md'), 'utf8');

/** The operations of the page: method, path and status of the heading, the documented fields, and the example lines. */
const OPERATIONS = page
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

describe('docs/reference/control-plane.md', () => {
  it.skipIf(!hasCurl)('has examples that run one after the other and return the documented statuses', async () => {
    const url = await serveEmulator();
    const codes = join(tempDir(), 'codes');
    // Statuses go to a file, so that the output of the lines stays as it is for a reader.
    const curl = `curl() { command curl -w '%{stderr}%{http_code} ' "$@" 2>>'${codes}'; }`;
    const script = OPERATIONS.map(({ lines }) => `${lines}\necho >>'${codes}'`).join('\n');
    const pasted = `${curl}\n${script.replaceAll('http://127.0.0.1:6266', url)}`;
    expect(pasted).not.toContain('6266');
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', pasted]);
    const statusLines = readFileSync(codes, 'utf8').trimEnd().split('\n');
    const statuses = statusLines.map((line) => line.trim().split(' '));
    // The last call of each block is the documented one; those before it prepare it.
    expect(statuses.map((all) => all.at(-1))).toEqual(OPERATIONS.map(({ status }) => status));
    expect(statuses.flat().filter((status) => !/^20[014]$/.test(status))).toEqual([]);
    expect(stdout).toContain('"status":"ready"');
    expect(stdout).toMatch(/"transitions":\[\{"taskId":"task_\w+","from":"processing","to":"completed"/);
    expect(stdout).toContain('{"ok":true,"problems":[]}');
  });

  it('documents exactly the operations that are served', async () => {
    const { app } = await createTestEmulator();
    const served = new Set<string>();
    const parents: string[] = [];
    // Fastify prints its routes as a tree, one branch per line: "│   ├── /reset (POST)".
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
    expect(OPERATIONS.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(own.sort());
  });

  it('documents exactly the fields that each operation accepts', async () => {
    const { send, post } = await createTestEmulator();
    const { taskId } = (await post('/api/sora-2/generate', { prompt: 'a dog', mode: 'textToVideo' })).body;
    /** Values of required fields: a missing one is reported before an unknown one. */
    const required: Record<string, unknown> = { amount: 1, mode: 'auto', name: 'a', to: 'b', task: 'c' };
    let fields = 0;
    for (const { method, path, part, fields: documented } of OPERATIONS) {
      // Fault rules have their own page, and a DELETE takes no fields.
      const isDocumentedElsewhere = method === 'POST' && path.endsWith('/faults');
      if (!path.startsWith('/__admin') || method === 'DELETE' || isDocumentedElsewhere) continue;
      const url = path.replace('{key}', 'np_test_default').replace('{id}', taskId);
      // The error for an unknown field lists the known ones; an operation without fields may ignore it.
      const requiredFields = documented.filter((field) => field in required).map((field) => [field, required[field]]);
      const body = Object.fromEntries([['nonsense', '1'], ...requiredFields]);
      // The body of an import is a document.
      const isRead = method === 'GET' || path.endsWith('/import');
      const response = await send(method, isRead ? `${url}?${new URLSearchParams(body)}` : url, {
        key: null,
        ...(!isRead && { body }),
      });
      expect(response.body?.error ?? '', `${method} ${path}`).not.toContain('Missing');
      const [, list = ''] = /"nonsense"; the fields are (.*)\.$/.exec(response.body?.error) ?? [];
      const accepted = list.split(', ').filter((field) => /^\w+$/.test(field));
      const isList = accepted.includes('after');
      // The fields that all lists have are documented at the top of the page.
      const own = accepted.filter((field) => !(isList && ['limit', 'after'].includes(field)));
      expect([...documented].sort(), `${method} ${path}`).toEqual(own.sort());
      expect(part.includes('"next"}'), `${method} ${path}`).toBe(isList);
      fields += own.length;
    }
    expect(fields).toBeGreaterThan(20);
  });
});
