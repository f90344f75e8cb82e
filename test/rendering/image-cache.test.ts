import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/core/tasks/task.ts';
import { nanoBanana2 } from '../../src/families/nano-banana-2.ts';
import { createImageCache } from '../../src/rendering/image-cache.ts';
import { toDisplayText, toXmpText } from '../../src/rendering/text-sanitizing.ts';

const turn = () => new Promise(setImmediate);

function createTestCache(options: Partial<Parameters<typeof createImageCache>[0]> = {}) {
  const stopping = new AbortController();
  const started: string[] = [];
  const running = new Map<string, { resolve(image: Buffer): void; reject(error: Error): void }>();
  const images = createImageCache({ concurrency: 1, maxQueued: 3, stopping: stopping.signal, ...options });
  const request = (tag: string, disconnected: AbortSignal = new AbortController().signal) => {
    const requested = images.get(
      tag,
      () => {
        started.push(tag);
        return new Promise<Buffer>((resolve, reject) => running.set(tag, { resolve, reject }));
      },
      () => disconnected,
    );
    requested.catch(() => {});
    return requested;
  };
  const finish = async (tag: string, bytes = 10) => {
    running.get(tag)!.resolve(Buffer.alloc(bytes));
    await turn();
  };
  return { request, finish, started, running, stopping };
}

describe('image cache', () => {
  it('renders in order, with limited concurrency', async () => {
    const { request, finish, started } = createTestCache({ concurrency: 2 });
    for (const tag of ['a', 'b', 'c', 'd']) request(tag);
    await turn();
    expect(started).toEqual(['a', 'b']);
    await finish('b');
    expect(started).toEqual(['a', 'b', 'c']);
  });

  it('renders an image once for concurrent and later requests', async () => {
    const { request, finish, started } = createTestCache();
    const requested = [request('a'), request('a'), request('a')];
    await turn();
    await finish('a');
    const images = await Promise.all([...requested, request('a')]);
    expect(started).toEqual(['a']);
    expect(images.every((image) => image === images[0])).toBe(true);
  });

  it('rejects new images when the queue is full, but not further requests for queued ones', async () => {
    const { request, started } = createTestCache({ maxQueued: 2 });
    for (const tag of ['a', 'b', 'c']) request(tag);
    await turn();
    await expect(request('d')).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    request('c');
    expect(started).toEqual(['a']);
  });

  it('does not render a queued image after all of its clients have disconnected', async () => {
    const { request, finish, started } = createTestCache();
    request('a');
    const [one, other] = [new AbortController(), new AbortController()];
    request('b', one.signal);
    request('b', other.signal);
    request('c');
    await turn();
    one.abort();
    await finish('a');
    expect(started).toEqual(['a', 'b']);
    const third = createTestCache();
    third.request('a');
    third.request('b', other.signal);
    const c = third.request('c');
    await turn();
    other.abort();
    await third.finish('a');
    await third.finish('c');
    expect(await c).toHaveLength(10);
    expect(third.started).toEqual(['a', 'c']);
    // A later request renders it.
    third.request('b');
    await turn();
    expect(third.started).toEqual(['a', 'c', 'b']);
  });

  it('keeps the slot of an image whose client disconnects while it is rendered, and keeps the image', async () => {
    const { request, finish, started } = createTestCache();
    const client = new AbortController();
    request('a', client.signal);
    request('b');
    await turn();
    client.abort();
    await turn();
    expect(started).toEqual(['a']);
    await finish('a');
    expect(started).toEqual(['a', 'b']);
    expect(await request('a')).toHaveLength(10);
    expect(started).toEqual(['a', 'b']);
  });

  it('evicts the least recently used images without failing pending requests', async () => {
    const { request, finish, started } = createTestCache({ maxCacheBytes: 25, maxQueued: 100 });
    const requested = Array.from({ length: 10 }, (_, index) => request(`i${index}`));
    await turn();
    for (let index = 0; index < 10; index++) await finish(`i${index}`);
    expect((await Promise.all(requested)).map(({ length }) => length)).toEqual(Array(10).fill(10));
    request('i9');
    request('i0');
    await turn();
    expect(started.slice(10)).toEqual(['i0']);
  });

  it('renders an image again after a failure', async () => {
    const { request, finish, running } = createTestCache();
    const failed = request('a');
    await turn();
    running.get('a')!.reject(new Error('no'));
    await expect(failed).rejects.toThrow('no');
    const again = request('a');
    await turn();
    await finish('a');
    expect(await again).toHaveLength(10);
  });

  it('does not render queued images when the server stops', async () => {
    const { request, stopping, started } = createTestCache();
    request('a');
    const waiting = request('b');
    await turn();
    stopping.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'STOPPING' });
    expect(started).toEqual(['a']);
  });
});

describe('text sanitizing', () => {
  it.each([
    ['  a\n\n b\u0000\tc ', 'a b c'],
    ['half \ud83d of it', 'half \ufffd of it'],
    ['कार्त्स्न्य', 'कार्त्स्न्य'],
    ['👨🏻‍❤️‍💋‍👨🏿', '👨🏻‍❤️‍💋‍👨🏿'],
    [`Z${'\u0334'.repeat(50)}!`, `Z${'\u0334'.repeat(6)}!`],
  ])('displays %j as %j', (prompt, expected) => {
    expect(toDisplayText(prompt)).toBe(expected);
  });

  it('truncates long prompts with an ellipsis', () => {
    expect(toDisplayText('a'.repeat(1000))).toBe('a'.repeat(1000));
    expect(toDisplayText('a'.repeat(1001))).toBe(`${'a'.repeat(999)}…`);
    expect(toDisplayText('ab cd', 4)).toBe('ab…');
    expect(toDisplayText('x'.repeat(1_000_000)).length).toBe(1000);
  });

  it('escapes XMP text and removes characters that XML does not allow', () => {
    expect(toXmpText('a\n<b>\u0001 "c" & \ud800')).toBe('a\n&lt;b&gt; &quot;c&quot; &amp; \ufffd');
    expect(toXmpText('"'.repeat(50_000)).length).toBeLessThan(64_000);
  });

  it('summarizes the other parameters of an image in a note', () => {
    const input = {
      prompt: 'a',
      mode: 'edit',
      aspectRatio: '3:4',
      imageQuality: '2K',
      inputImageUrls: ['x', 'y'],
    };
    const content = nanoBanana2.files.imageUrl!.contentOf(input, { id: 'task_1' } as Task);
    expect(content).toEqual({
      kind: 'picture',
      size: [1792, 2400],
      model: 'Nano Banana 2',
      prompt: 'a',
      taskId: 'task_1',
      note: '2K, 3:4, 1792×2400, edit of 2',
    });
  });
});
