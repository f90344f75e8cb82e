import { createRequire } from 'node:module';
import { afterEach, expect, it, vi } from 'vitest';

const runScenario = createRequire(import.meta.url)('./scenario.cjs');

afterEach(() => void vi.useRealTimers());

it('works when it is loaded after everything was faked, and when time is real again', async () => {
  const fakes = [
    ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'],
    ...['Date', 'performance', 'queueMicrotask', 'hrtime'],
  ];
  vi.useFakeTimers({ toFake: fakes, now: 4e12 });
  expect(Date.now()).toBe(4e12);
  const library = await import('nanophoto-emulator');
  await runScenario(library);
  vi.useRealTimers();
  await runScenario(library);
});
