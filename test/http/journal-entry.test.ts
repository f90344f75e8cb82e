import type { FastifyReply, FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from '../../src/core/memory-budget.ts';
import type { Task } from '../../src/core/tasks/task.ts';
import { BoundedLog, LogGroup } from '../../src/http/journal/bounded-log.ts';
import { MAX_NAMES, NO_NAMES } from '../../src/http/journal/bounded-names.ts';
import { Entry, getTaskIds, toResponseHeaders } from '../../src/http/journal/entry.ts';
import { OpenedEntry } from '../../src/http/journal/opened-entry.ts';

const MAX_BODY_LENGTH = 16 * 1024;
const MAX_NAME_LENGTH = 200;
/** As for a short key. */
const MARGIN_LENGTH = 40;

function createLog() {
  const log = new BoundedLog<Entry>(new LogGroup(new MemoryBudget(1e9), 1e8), 100);
  let seq = 0;
  /** Adds an entry for a request with these headers. */
  const add = (
    headers: Record<string, string> = { host: 'a', 'x-b': 'cd' },
    { id = 'r', url = '/p', mediaTaskId = null as string | null } = {},
  ) => {
    seq += 1;
    const request = { method: 'POST', id, originalUrl: url, url, headers };
    return new Entry({ ...request, raw: { rawHeaders: Object.entries(headers).flat() } } as unknown as FastifyRequest, {
      ...{ log, marginLength: MARGIN_LENGTH, seq, atMs: 0, wallMs: 0, mediaTaskId },
    });
  };
  return { log, add };
}

const tasks = (...ids: string[]) => ids.map((id) => ({ id, status: 'processing' })) as Task[];

/** Records the head of a response. */
const answer = (entry: Entry, statusCode = 200, headers: Record<string, unknown> = {}, errorCode?: string) =>
  entry.setResponseHead(
    { state: { errorCode: errorCode ?? null } } as unknown as FastifyRequest,
    { statusCode, elapsedTime: 12.345, getHeader: (name: string) => headers[name] } as unknown as FastifyReply,
  );

/** Returns by how much `work` grows the entry. */
function growth(entry: Entry, work: () => void): number {
  const before = entry.bytes;
  work();
  return entry.bytes - before;
}

describe('a journal entry', () => {
  it('has no body, task or change of its response before they are recorded', () => {
    expect(createLog().add()).toMatchObject({
      ...{ body: '', isBodyTruncated: false, responseBody: '', isResponseBodyTruncated: false, isReplaced: false },
      ...{ submitted: [], polled: [], faults: [], status: null, durationMs: null },
    });
  });

  it('shares equal headers and polled tasks with the entry before it, and no others', () => {
    const { add } = createLog();
    const first = add();
    first.setPolled(tasks('one', 'two'));
    const same = add();
    same.setPolled(tasks('one', 'two'));
    expect(same.headers).toBe(first.headers);
    expect(same.rawHeaders).toBe(first.rawHeaders);
    expect(same.polled).toBe(first.polled);
    const [one, three] = tasks('one', 'three') as [Task, Task];
    for (const polled of [[one], [one, three], [three, three], [three, { ...three, status: 'failed' } as Task]]) {
      const other = add({ host: 'b' });
      other.setPolled(polled);
      expect(other.headers).toEqual({ host: 'b' });
      expect(other.rawHeaders).toEqual(['host', 'b']);
      expect(other.polled).toEqual(polled.map(({ id, status }) => ({ taskId: id, status })));
    }
  });

  it('shares nothing with an entry of which only a part is equal', () => {
    const { add } = createLog();
    add({ host: 'a' });
    const other = add({ host: 'a', 'x-b': 'c' }, { id: 'other', url: '/q?r=1' });
    expect(other).toMatchObject({ requestId: 'other', path: '/q', headers: { host: 'a', 'x-b': 'c' } });
    expect(add({ host: 'a', 'x-b': 'd' }).rawHeaders).toEqual(['host', 'a', 'x-b', 'd']);
  });

  it('shares nothing more when there is a newer entry, so that entries do not form a chain', () => {
    const { add } = createLog();
    const [first, second] = [add(), add()];
    first.setPolled(tasks('one'));
    add();
    second.setPolled(tasks('one'));
    expect(second.polled).toEqual(first.polled);
    expect(second.polled).not.toBe(first.polled);
  });

  it('has the size of its headers, tasks, texts and names, whether they are shared or not', () => {
    const { add } = createLog();
    const bytes = [1, 2].map(() => {
      const entry = add();
      const headers = entry.bytes - add({}).bytes;
      const grown = [
        growth(entry, () => entry.setSubmitted([])),
        growth(entry, () => entry.setSubmitted(tasks('one'))),
        growth(entry, () => entry.setSubmitted(tasks('one', 'two', 'three'))),
        growth(entry, () => entry.setPolled(tasks('one', 'two'))),
        growth(entry, () => entry.setBody('x'.repeat(100))),
        growth(entry, () => entry.appendResponseBody('y'.repeat(10))),
        growth(entry, () => entry.appendResponseBody('z'.repeat(5))),
        growth(entry, () => entry.addFault('f')),
        growth(entry, () => entry.setWarnings(['w'])),
      ];
      return [headers, ...grown];
    });
    // For each header, 120 bytes, its name twice and its value.
    const headerBytes = 2 * 120 + (2 * 4 + 1) + (2 * 3 + 2);
    expect(bytes[0]).toEqual([headerBytes, 0, 0, 256, 128, 124, 34, 5, 25, 25]);
    expect(bytes[1]).toEqual(bytes[0]);
    expect(add({}, { url: '/p?longer' }).bytes - add({}).bytes).toBe('?longer'.length);
    const [entry, repeated] = [add(), add()];
    entry.setBody('same');
    entry.appendResponseBody('same');
    expect(growth(repeated, () => repeated.setBody('same'))).toBe(28);
    expect(growth(repeated, () => repeated.appendResponseBody('same'))).toBe(28);
    expect([repeated.body, repeated.responseBody]).toEqual(['same', 'same']);
  });

  it('keeps bodies up to a maximum and a margin, and marks longer ones as truncated', () => {
    const maxLength = MAX_BODY_LENGTH + MARGIN_LENGTH;
    for (const [length, isTruncated] of [
      [maxLength, false],
      [maxLength + 1, true],
    ] as const) {
      const entry = createLog().add();
      const text = 'x'.repeat(length);
      entry.setBody(text);
      expect([entry.isBodyTruncated, entry.body.length]).toEqual([isTruncated, maxLength]);
      entry.appendResponseBody(text.slice(0, 1000));
      expect(entry.isResponseBodyTruncated).toBe(false);
      entry.appendResponseBody(text.slice(1000));
      expect([entry.isResponseBodyTruncated, entry.responseBody.length]).toEqual([isTruncated, maxLength]);
    }
    // A part that equals the whole body of the entry before is still appended.
    const { add } = createLog();
    add().appendResponseBody('part');
    const entry = add();
    entry.appendResponseBody('first ');
    entry.appendResponseBody('part');
    expect(entry.responseBody).toBe('first part');
  });

  it('keeps the start of names, and of too many warnings their number', () => {
    const entry = createLog().add();
    entry.setUnknownFields({ names: [], omittedCount: 0 });
    entry.setWarnings([]);
    expect(entry.unknownFields).toBe(NO_NAMES);
    expect(entry.warnings).toBe(NO_NAMES);
    entry.setUnknownFields({ names: ['x'.repeat(1000), 'y'], omittedCount: 3 });
    // One character more than is shown of a truncated name.
    const start = 'x'.repeat(MAX_NAME_LENGTH + MARGIN_LENGTH + 1);
    expect(entry.unknownFields).toEqual({ names: [start, 'y'], omittedCount: 3 });
    const warnings = Array.from({ length: MAX_NAMES + 2 }, (_, index) => `w${index}`);
    entry.setWarnings(warnings);
    expect(entry.warnings).toEqual({ names: warnings.slice(0, MAX_NAMES), omittedCount: 2 });
  });

  it('shows a truncated text without its margin, in which a key may begin', () => {
    const entry = createLog().add();
    const whole = 'x'.repeat(MAX_BODY_LENGTH + MARGIN_LENGTH);
    expect(entry.redactBody(whole, true, (text) => text)).toHaveLength(MAX_BODY_LENGTH);
    // The redacted text is shorter than the original one.
    expect(entry.redactBody(whole, true, (text) => text.slice(0, 100))).toHaveLength(100 - MARGIN_LENGTH);
    expect(entry.redactBody(whole, true, () => 'short')).toBe('');
    const isTruncated: unknown[] = [];
    for (const flag of [true, false]) {
      entry.redactBody(whole, flag, (text, isPrefix) => {
        isTruncated.push(isPrefix ?? false);
        return text;
      });
    }
    expect(isTruncated).toEqual([true, false]);
    expect(entry.redactBody(whole, false, (text) => text)).toBe(whole);
    const name = 'n'.repeat(MAX_NAME_LENGTH + MARGIN_LENGTH);
    expect(entry.redactName(name, (text) => text)).toBe(name);
    expect(entry.redactName(`${name}n`, (text) => text)).toBe(`${'n'.repeat(MAX_NAME_LENGTH)}…`);
  });

  it('lists the tasks that it is about', () => {
    const { add } = createLog();
    const entry = add({}, { mediaTaskId: 'media' });
    entry.setSubmitted(tasks('submitted'));
    entry.setPolled(tasks('polled'));
    entry.synchronousTaskId = 'synchronous';
    expect(getTaskIds(entry)).toEqual(['submitted', 'synchronous', 'polled', 'media']);
    expect(getTaskIds(add())).toEqual([]);
    expect(getTaskIds(new OpenedEntry({ taskIds: ['opened'] } as never))).toEqual(['opened']);
  });

  it('records the request after which its response was sent or lost, also when the log is cleared meanwhile', () => {
    const { log, add } = createLog();
    const [delivered, lost] = [add(), add()];
    answer(delivered);
    add();
    delivered.setDelivered();
    delivered.setEnded();
    lost.setEnded();
    expect([delivered.deliveredAtSeq, delivered.lostAtSeq, lost.lostAtSeq]).toEqual([2, null, 3]);
    const [sent, ended] = [add(), add()];
    log.clear();
    answer(sent);
    sent.setDelivered();
    ended.setEnded();
    expect([sent.deliveredAtSeq, ended.lostAtSeq]).toEqual([4, 5]);
  });

  it('has the duration in tenths of milliseconds, and retry-after only of a 429', () => {
    const [limited, unavailable] = [createLog().add(), createLog().add()];
    answer(limited, 429, { 'retry-after': 60 });
    answer(unavailable, 503, { 'retry-after': 60 });
    expect(limited).toMatchObject({ durationMs: 12.3, retryAfterSeconds: 60 });
    expect(unavailable).toMatchObject({ status: 503, retryAfterSeconds: undefined });
  });

  it('lists the faults that applied, in order', () => {
    const entry = createLog().add();
    for (const fault of ['one', 'two']) entry.addFault(fault);
    expect(entry.faults).toEqual(['one', 'two']);
  });

  it('has the headers of the response that the emulator sets', () => {
    const entry = createLog().add();
    const headers = {
      'x-ratelimit-limit': 5,
      'x-ratelimit-remaining': 0,
      'x-ratelimit-reset': 60,
      'retry-after': 30,
      'content-type': 'application/json',
    };
    answer(entry, 429, { ...headers, date: 'today' }, 'RATE_LIMITED');
    expect(entry.errorCode).toBe('RATE_LIMITED');
    expect(toResponseHeaders(entry)).toEqual(headers);
    answer(entry, 200);
    expect(Object.keys(toResponseHeaders(entry))).toEqual(['retry-after']);
  });
});
