import { createRequire } from 'node:module';
import * as library from 'nanophoto-emulator';
import { afterEach, describe, it, vi } from 'vitest';

const require = createRequire(import.meta.url);
const runScenario = require('./scenario.cjs');
const REPLACED_GLOBALS = require('./replaced-globals.cjs');

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe('works with', () => {
  it('nothing replaced', () => runScenario(library));

  it('fake timers', async () => {
    vi.useFakeTimers({ now: 4e12 });
    await runScenario(library);
  });

  it.each(['Date', 'setTimeout', 'setImmediate', 'queueMicrotask', 'performance'])('a fake %s', async (name) => {
    vi.useFakeTimers({ toFake: [name], now: 4e12 });
    await runScenario(library);
  });

  it('a system time that is set', async () => {
    vi.setSystemTime(4e12);
    await runScenario(library);
  });

  it('replaced methods', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(4e12);
    vi.spyOn(performance, 'now').mockReturnValue(0);
    vi.spyOn(process, 'hrtime').mockReturnValue([0, 0]);
    await runScenario(library);
  });

  it('replaced globals', async () => {
    for (const name of REPLACED_GLOBALS) {
      vi.stubGlobal(name, () => {
        throw new Error(`${name} was replaced`);
      });
    }
    await runScenario(library);
  });
});
