import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type * as z from 'zod';
import type { Task } from '../../src/core/tasks/task.ts';
import { FAMILIES } from '../../src/families/index.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { buildDocument } from '../support/account-document.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { fetchFile } from '../support/results.ts';

const KEY = 'np_imported';
const FILES = FAMILIES.flatMap(({ name, files }) =>
  Object.entries(files).map(([field, file]) => ({ family: name, field, file })),
);
/** All field names of requests, and the names that every object has. */
const FIELDS = [
  ...FAMILIES.flatMap(({ routes }) => routes.flatMap(({ body }) => Object.keys((body as z.ZodObject).shape))),
  ...['generationType', 'aspectRatio', '__proto__', 'constructor'],
];
const WRONG_VALUES = [null, 5, {}, [], '', 'nonsense', 'constructor', '__proto__', '\ud800'];
const VALUES = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(...WRONG_VALUES, 'portrait', '9:16', '4K', '4k', '1080p', '15', '12', 'sora2-pro-high', true),
);

const fillFields = (value: unknown) => Object.fromEntries(FIELDS.map((field) => [field, value]));
const TASKS: readonly { name: string; input: object; clientRef?: string }[] = [
  { name: 'no fields', input: {} },
  { name: 'only numbers', input: fillFields(5) },
  { name: 'wrong texts', input: fillFields('nonsense') },
  { name: 'no fields, odd clientRef', input: {}, clientRef: 'shot "é"\n/../😀' },
  { name: 'no fields, long clientRef', input: {}, clientRef: 'x'.repeat(100) },
];

/** A document with tasks of every family: one that is completed and one that is running, with ids of any length. */
function buildTasks(input: object, clientRef?: string) {
  const document = buildDocument();
  const [completed, running] = document.tasks;
  const tasks = FAMILIES.flatMap(({ name: family }, index) =>
    [completed!, running!].map((task, offset) => ({
      ...{ ...task, family, input, clientRef, hold: undefined, price: 0 },
      ...{ seq: 2 * index + offset + 1, id: `task_${'long'.repeat(7 * (index % 2))}${index}_${offset}` },
    })),
  );
  return { ...document, ledger: document.ledger.slice(0, 1), tasks };
}

describe('the input of an imported task', () => {
  it.each(FILES)('yields a file for $family $field, whatever it is', ({ file }) => {
    const task = { id: 'task_one' } as Task;
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...FIELDS), VALUES, { noNullPrototype: true }), (input) => {
        const content = file.contentOf(input, task);
        if (content.kind === 'video') {
          expect(existsSync(join(FIXTURES_DIR, 'videos', content.fixture)), content.fixture).toBe(true);
        } else {
          expect([...content.size, content.prompt]).toEqual([
            expect.toSatisfy(Number.isInteger),
            expect.toSatisfy(Number.isInteger),
            expect.any(String),
          ]);
        }
      }),
    );
  });

  it.each(TASKS)('is exported, and no request about the task fails: $name', async ({ input, clientRef }) => {
    const emulator = await createTestEmulator(['--rate-limit', 'off']);
    const { send, get, post } = emulator;
    const document = buildTasks(input, clientRef);
    expect((await send('POST', '/__admin/accounts/import', { key: null, body: document })).status).toBe(201);
    const { tasks } = (await get(`/__admin/accounts/${KEY}/export`)).body;
    expect(tasks).toEqual(JSON.parse(JSON.stringify(document.tasks)));
    const listed = (await get(`/__admin/accounts/${KEY}/tasks`)).body.tasks;
    expect(listed).toHaveLength(2 * FAMILIES.length);
    for (const task of listed) {
      expect((await get(`/__admin/accounts/${KEY}/tasks/${task.id}`)).body).toEqual(task);
      const { routes, files } = FAMILIES.find(({ name }) => name === task.family)!;
      const pollRoute = routes.find(({ kind }) => kind === 'poll');
      const taskIds = [{ shotId: clientRef ?? '', taskId: task.id }];
      const body = { taskId: task.id, generationId: task.generationId, taskIds };
      // Without its `clientRef`, a shot cannot be polled.
      const expected = task.family === 'veo-3' && clientRef === undefined ? 404 : 200;
      if (pollRoute) expect((await post(pollRoute.path, body, KEY)).status).toBe(expected);
      for (const [field, { extension }] of Object.entries(files)) {
        if (task.status !== 'completed') continue;
        const path = `/__admin/accounts/${KEY}/tasks/${task.id}/files/${field}`;
        const { status, bytes } = await fetchFile(emulator, `http://localhost${path}`);
        expect([task.id, field, status]).toEqual([task.id, field, 200]);
        // A video has 29 or 32 characters of the id.
        if (extension === 'mp4') expect(bytes.includes(task.id.slice(-29))).toBe(true);
        const { status: urlStatus } = await fetchFile(emulator, task.result[field]);
        // The URL of a watermark removal has the `clientRef` that the emulator generates.
        expect([task.family, urlStatus]).toEqual([task.family, task.family === 'sora-watermark' ? 404 : 200]);
      }
    }
  });
});
