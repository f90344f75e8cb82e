import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { chunkText, splitCharacters } from '../../../src/families/kit/text-stream.ts';
import { createTestEmulator } from '../../support/emulator.ts';

const PATH = '/api/sora-2/generate-prompt';
const BODY = { topic: 'a lighthouse in a storm', technique: 'montage', duration: 10 };

async function listen(
  options: Parameters<Awaited<ReturnType<typeof createTestEmulator>>['createAccount']>[1],
  flags: string[] = [],
) {
  const emulator = await createTestEmulator(flags);
  const { id } = emulator.createAccount('k', options);
  const url = await emulator.app.listen({ port: 0, host: '127.0.0.1' });
  const start = (fields: object = {}) =>
    fetch(url + PATH, {
      method: 'POST',
      headers: { authorization: 'Bearer k', 'content-type': 'application/json' },
      body: JSON.stringify({ ...BODY, ...fields }),
    });
  const kinds = () => emulator.core.ledger.entries(id, 10).map(({ kind }) => kind);
  return { ...emulator, id, url, start, kinds };
}

describe('chunkText', () => {
  it('splits between code points and keeps the whole text', () => {
    const text = '🎬🎥漢字é'.repeat(50);
    const pieces = chunkText(text);
    expect(pieces.length).toBeGreaterThan(5);
    expect(pieces.join('')).toBe(text);
    for (const piece of pieces) expect(piece).not.toMatch(/\p{Surrogate}/u);
    expect(chunkText('ab')).toEqual(['a', 'b']);
  });
});

describe('splitCharacters', () => {
  const toBuffers = (...texts: string[]) => texts.map((text) => Buffer.from(text));

  it('ends each chunk inside of the first character of several bytes in the next one, and keeps the text', () => {
    const chunks = toBuffers('ab', 'xé', '漢字', '🎬', 'yz');
    for (let seed = 0; seed < 20; seed++) {
      const split = splitCharacters(chunks, seededRandom(seed));
      expect(Buffer.concat(split)).toEqual(Buffer.concat(chunks));
      expect(split[0]).toEqual(Buffer.from([...Buffer.from('abx'), 0xc3]));
      for (const chunk of split.slice(0, 3)) expect(chunk.toString()).toMatch(/\ufffd$/);
    }
  });

  it('changes nothing without such characters', () => {
    const chunks = toBuffers('ab', 'cd');
    expect(splitCharacters(chunks, seededRandom(1))).toEqual(chunks);
  });
});

describe('text stream', () => {
  it.each([
    ['a directive', [], '@emulator(split)'],
    ['--split-characters on', ['--split-characters', 'on'], ''],
  ])('is split inside of characters by %s', async (_how, flags, directive) => {
    const { start, kinds } = await listen({ clock: { mode: 'frozen' } }, flags);
    const response = await start({ topic: `嵐の中の灯台 ${directive}`, locale: 'ja' });
    const pieces: Buffer[] = [];
    for await (const piece of response.body!) pieces.push(Buffer.from(piece));
    expect(Buffer.concat(pieces).toString()).not.toContain('\ufffd');
    expect(pieces.map(String).join('')).toContain('\ufffd');
    expect(kinds()).toEqual(['grant', 'hold', 'capture']);
  });

  it.each(['frozen', 'auto'] as const)('is sent in several chunks without waiting on a %s clock', async (mode) => {
    const { start, kinds } = await listen({ clock: { mode } });
    const response = await start();
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(response.headers.get('transfer-encoding')).toBe('chunked');
    const pieces: Uint8Array[] = [];
    for await (const piece of response.body!) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(3);
    expect(Buffer.concat(pieces).toString()).toContain('lighthouse');
    expect(kinds()).toEqual(['grant', 'hold', 'capture']);
  });

  it('is spread evenly over its simulated time divided by speed on a real clock', async () => {
    // The same seed and position in the history give the same text, so another account provides the expected one.
    const whole = await (await (await listen({ clock: { mode: 'frozen' } })).start()).text();
    const pieces = chunkText(whole);
    const { start, clock, core, id, kinds } = await listen({ speed: 10 });
    const response = await start();
    const { endMs } = core.tasks.list(id, 1)[0]!.plan;
    let text = '';
    const ended = (async () => {
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) text += piece;
    })();
    for (const quarter of [1, 2, 3]) {
      clock.advance(endMs / 10 / 4);
      const due = pieces.slice(0, Math.floor((pieces.length * quarter) / 4)).join('');
      await vi.waitUntil(() => text.length >= due.length);
      expect(text).toBe(due);
    }
    expect(kinds()).toEqual(['grant', 'hold']);
    clock.advance(endMs / 10 / 4 + 1);
    await ended;
    expect(text).toBe(whole);
    // A client that has received the end finds the hold captured.
    expect(kinds()).toEqual(['grant', 'hold', 'capture']);
    // Well under two seconds at the default speed.
    expect(endMs / 60).toBeLessThan(1000);
  });

  it('is not refunded when the client disconnects', async () => {
    const { url, kinds, core, id } = await listen({ speed: 1 });
    const body = JSON.stringify(BODY);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await vi.waitUntil(() => kinds().length === 2);
    socket.destroy();
    await vi.waitUntil(() => kinds().length === 3);
    expect(kinds()).toEqual(['grant', 'hold', 'capture']);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('is refunded when the server breaks it off, and the client notices that it is incomplete', async () => {
    const { start, clock, close, core, id } = await listen({ speed: 1, credits: 10 });
    const fail = vi.spyOn(core.tasks, 'fail');
    const reader = (await start()).body!.getReader();
    clock.advance(5000);
    expect((await reader.read()).value!.length).toBeGreaterThan(0);
    const { id: taskId } = core.tasks.list(id, 1)[0]!;
    const closed = close();
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    await expect(rest()).rejects.toThrow('terminated');
    await closed;
    expect(fail).toHaveBeenCalledWith(id, taskId, 'INTERNAL_ERROR');
    expect(fail).toHaveReturnedWith(true);
  });
});
