import { describe, expect, it } from 'vitest';
import { createEventBroadcast } from '../../src/control-plane/event-broadcast.ts';
import type { CoreEvent } from '../../src/core/events.ts';
import { MemoryBudget } from '../../src/core/memory-budget.ts';

const KB = 1024;

type Subscriber = (event: CoreEvent, key: string | null) => void;

/** A broadcast whose events are numbers of bytes, sent to the listeners of one key or, with null, of all. */
function createBroadcast(maxBytes = 1e9) {
  const memory = new MemoryBudget(maxBytes);
  const subscribers = new Set<Subscriber>();
  const events = {
    listen(listener: Subscriber) {
      subscribers.add(listener);
      return () => void subscribers.delete(listener);
    },
  };
  const clock = { atTurnEnd: (work: () => void) => void setImmediate(work) };
  const { listen } = createEventBroadcast({ clock, events, memory } as never, (event) => {
    const { bytes } = event as never as { bytes: number };
    return { text: 'x'.repeat(bytes) };
  });
  const emit = (bytes: number, key: string | null = null) => {
    for (const subscriber of [...subscribers]) subscriber({ type: 'request', bytes } as never, key);
  };
  return { memory, subscribers, listen, emit, used: () => memory.usedBytes.listeners };
}

/** Reads what is available, as a connection does that takes all data. */
async function read(listener: ReturnType<ReturnType<typeof createBroadcast>['listen']>): Promise<string> {
  let text = '';
  const append = (chunk: Buffer) => {
    text += chunk;
  };
  listener.on('data', append).resume();
  await new Promise(setImmediate);
  listener.off('data', append).pause();
  return text;
}

describe('event broadcast', () => {
  it('numbers the events of each listener from 1', async () => {
    const { listen, emit } = createBroadcast();
    const [one, all] = [listen('one'), listen(undefined)];
    emit(1, 'other');
    emit(1, 'one');
    emit(1);
    const lines = async (listener: typeof one) => (await read(listener)).match(/^id: .*$/gm);
    expect(await lines(one)).toEqual(['id: 1', 'id: 2']);
    expect(await lines(all)).toEqual(['id: 1', 'id: 2', 'id: 3']);
  });

  // id: listeners-share-events
  it('keeps one copy of an event for all listeners that have not read it', async () => {
    const { listen, emit, used } = createBroadcast();
    const listeners = Array.from({ length: 900 }, () => listen(undefined));
    for (let n = 0; n < 50; n++) emit(10 * KB);
    expect(used()).toBeGreaterThan(500 * KB);
    expect(used()).toBeLessThan(500 * KB + 900 * 60 * 16 + 100 * KB);
    for (const listener of listeners.slice(1)) listener.destroy();
    expect(used()).toBeGreaterThan(500 * KB);
    expect((await read(listeners[0]!)).match(/^id: /gm)).toHaveLength(50);
    await read(listeners[0]!);
    expect(used()).toBe(0);
  });

  // id: listeners-share-turns
  it('sends all listeners together about 1 MB per turn of the event loop, so that other clients can be served', async () => {
    const { listen, emit, used } = createBroadcast();
    let bytes = 0;
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
    };
    const listeners = Array.from({ length: 300 }, () => listen(undefined).on('data', count));
    await new Promise(setImmediate);
    const perTurn: number[] = [];
    bytes = 0;
    emit(15 * KB);
    while (used() > 0) {
      await new Promise(setImmediate);
      perTurn.push(bytes);
      bytes = 0;
    }
    const [first, ...others] = perTurn;
    // Includes what was sent in the turn of the event itself.
    expect(first).toBeLessThan(2200 * KB);
    expect(Math.max(...others)).toBeLessThan(1100 * KB);
    expect(perTurn.reduce((one, other) => one + other, 0)).toBeGreaterThan(300 * 15 * KB);
    expect(perTurn.length).toBeLessThan(8);
    for (const listener of listeners) listener.destroy();
  });

  // id: listeners-that-do-not-read-disconnected
  it('disconnects a listener with 1 MB of unread data', async () => {
    const { listen, emit, used, subscribers } = createBroadcast();
    const [slow, fast] = [listen(undefined), listen(undefined)];
    for (let n = 0; n < 11; n++) {
      emit(100 * KB);
      await read(fast);
    }
    expect([slow.destroyed, fast.destroyed]).toEqual([true, false]);
    fast.destroy();
    expect(subscribers.size).toBe(0);
    expect(used()).toBe(0);
  });

  // id: listeners-count-towards-memory-budget
  it('disconnects the listener with the most unread data when the memory budget is exceeded', async () => {
    // Half of the budget is for data in flight.
    const { listen, emit, used } = createBroadcast(2000 * KB);
    const listeners = Array.from({ length: 20 }, (_, index) => listen(`k${index}`));
    for (let n = 0; n < 3; n++) emit(60 * KB, 'k7');
    for (let index = 0; index < 20; index++) for (let n = 0; n < 2; n++) emit(20 * KB, `k${index}`);
    emit(30 * KB, 'k0');
    const disconnected = listeners.flatMap(({ destroyed }, index) => (destroyed ? [index] : []));
    expect(disconnected).toEqual([7]);
    expect(used()).toBeLessThan(1000 * KB);
    for (let n = 0; n < 9; n++) emit(99 * KB, `k${n}`);
    expect(used()).toBeLessThanOrEqual(1000 * KB);
    for (const listener of listeners) listener.destroy();
    expect(used()).toBe(0);
  });

  it('sends no heartbeat to a listener that has not read the last one', async () => {
    const { listen, used } = createBroadcast();
    const listener = listen(undefined);
    expect(await read(listener)).toBe(':\n\n');
    listener.sendHeartbeat();
    for (let n = 0; n < 9; n++) listener.sendHeartbeat();
    expect(await read(listener)).toBe(':\n\n');
    expect(used()).toBe(0);
  });

  it('ends with the events so far', async () => {
    const { listen, emit, subscribers } = createBroadcast();
    const listener = listen(undefined);
    for (let n = 0; n < 9; n++) emit(10 * KB);
    listener.end();
    expect(subscribers.size).toBe(0);
    let text = '';
    for await (const chunk of listener) text += chunk;
    expect(text.match(/^id: /gm)).toHaveLength(9);
  });
});
