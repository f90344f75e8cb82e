import { describe, expect, it } from 'vitest';
import { nanoBanana2 } from '../../src/families/nano-banana-2.ts';
import { createImageCache } from '../../src/rendering/image-cache.ts';
import { toDisplayText, toXmpText } from '../../src/rendering/text-sanitizing.ts';

const turn = () => new Promise(setImmediate);

function drawer(options: Partial<Parameters<typeof createImageCache>[0]> = {}) {
  const stopping = new AbortController();
  const begun: string[] = [];
  const running = new Map<string, { resolve(image: Buffer): void; reject(error: Error): void }>();
  const images = createImageCache({ concurrency: 1, maxQueued: 3, stopping: stopping.signal, ...options });
  const ask = (tag: string, gone: AbortSignal = new AbortController().signal) => {
    const asked = images.get(
      tag,
      () => {
        begun.push(tag);
        return new Promise<Buffer>((resolve, reject) => running.set(tag, { resolve, reject }));
      },
      () => gone,
    );
    asked.catch(() => {});
    return asked;
  };
  const finish = async (tag: string, bytes = 10) => {
    running.get(tag)!.resolve(Buffer.alloc(bytes));
    await turn();
  };
  return { ask, finish, begun, running, stopping };
}

describe('images that are asked for', () => {
  it('are drawn so many at a time, in the order in which they were asked for', async () => {
    const { ask, finish, begun } = drawer({ concurrency: 2 });
    for (const tag of ['a', 'b', 'c', 'd']) ask(tag);
    await turn();
    expect(begun).toEqual(['a', 'b']);
    await finish('b');
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  it('are drawn once for all who ask, before and after', async () => {
    const { ask, finish, begun } = drawer();
    const asked = [ask('a'), ask('a'), ask('a')];
    await turn();
    await finish('a');
    const images = await Promise.all([...asked, ask('a')]);
    expect(begun).toEqual(['a']);
    expect(images.every((image) => image === images[0])).toBe(true);
  });

  it('are refused when too many wait, but for those that are on their way already', async () => {
    const { ask, begun } = drawer({ maxQueued: 2 });
    for (const tag of ['a', 'b', 'c']) ask(tag);
    await turn();
    await expect(ask('d')).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    ask('c');
    expect(begun).toEqual(['a']);
  });

  it('are not begun when nobody waits for them any more', async () => {
    const { ask, finish, begun } = drawer();
    ask('a');
    const [one, other] = [new AbortController(), new AbortController()];
    ask('b', one.signal);
    ask('b', other.signal);
    ask('c');
    await turn();
    one.abort();
    await finish('a');
    expect(begun).toEqual(['a', 'b']);
    const third = drawer();
    third.ask('a');
    third.ask('b', other.signal);
    const c = third.ask('c');
    await turn();
    other.abort();
    await third.finish('a');
    await third.finish('c');
    expect(await c).toHaveLength(10);
    expect(third.begun).toEqual(['a', 'c']);
    // Who comes later has it drawn.
    third.ask('b');
    await turn();
    expect(third.begun).toEqual(['a', 'c', 'b']);
  });

  it('make room for others when there are too many, and never fail whoever waits', async () => {
    const { ask, finish, begun } = drawer({ maxCacheBytes: 25, maxQueued: 100 });
    const asked = Array.from({ length: 10 }, (_, place) => ask(`i${place}`));
    await turn();
    for (let place = 0; place < 10; place++) await finish(`i${place}`);
    expect((await Promise.all(asked)).map(({ length }) => length)).toEqual(Array(10).fill(10));
    ask('i9');
    ask('i0');
    await turn();
    expect(begun.slice(10)).toEqual(['i0']);
  });

  it('are drawn again after a failure', async () => {
    const { ask, finish, running } = drawer();
    const failed = ask('a');
    await turn();
    running.get('a')!.reject(new Error('no'));
    await expect(failed).rejects.toThrow('no');
    const again = ask('a');
    await turn();
    await finish('a');
    expect(await again).toHaveLength(10);
  });

  it('are not begun when the server stops', async () => {
    const { ask, stopping, begun } = drawer();
    ask('a');
    const waiting = ask('b');
    await turn();
    stopping.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'STOPPING' });
    expect(begun).toEqual(['a']);
  });
});

describe('a prompt that is drawn', () => {
  it.each([
    ['  a\n\n b\u0000\tc ', 'a b c'],
    ['half \ud83d of it', 'half \ufffd of it'],
    ['कार्त्स्न्य', 'कार्त्स्न्य'],
    ['👨🏻‍❤️‍💋‍👨🏿', '👨🏻‍❤️‍💋‍👨🏿'],
    [`Z${'\u0334'.repeat(50)}!`, `Z${'\u0334'.repeat(6)}!`],
  ])('of %j is %j', (prompt, expected) => {
    expect(toDisplayText(prompt)).toBe(expected);
  });

  it('ends in three dots where it is too long', () => {
    expect(toDisplayText('a'.repeat(1000))).toBe('a'.repeat(1000));
    expect(toDisplayText('a'.repeat(1001))).toBe(`${'a'.repeat(999)}…`);
    expect(toDisplayText('ab cd', 4)).toBe('ab…');
    expect(toDisplayText('x'.repeat(1_000_000)).length).toBe(1000);
  });

  it('is in the data of the image as it is, as far as XML can carry it', () => {
    expect(toXmpText('a\n<b>\u0001 "c" & \ud800')).toBe('a\n&lt;b&gt; &quot;c&quot; &amp; \ufffd');
    expect(toXmpText('"'.repeat(50_000)).length).toBeLessThan(64_000);
  });

  it('has a note of what else was asked for', () => {
    const input = {
      prompt: 'a',
      mode: 'edit',
      aspectRatio: '3:4',
      imageQuality: '2K',
      inputImageUrls: ['x', 'y'],
    };
    const content = nanoBanana2.files.imageUrl!.contentOf(input, { id: 'task_1' } as never);
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
