const library = require('nanophoto-emulator');
const REPLACED_GLOBALS = require('./replaced-globals.cjs');
const runScenario = require('./scenario.cjs');

afterEach(() => void jest.useRealTimers());

describe('works with', () => {
  test('nothing replaced', () => runScenario(library));

  test.each([
    ['fake timers', { now: 4e12 }],
    ['fake timers that advance', { now: 4e12, advanceTimers: true }],
    ['fake timers but for some', { now: 4e12, doNotFake: ['setTimeout', 'nextTick'] }],
    ['legacy fake timers', { legacyFakeTimers: true }],
  ])('%s', async (_, options) => {
    jest.useFakeTimers(options);
    await runScenario(library);
  });

  test('modules that are loaded again', async () => {
    jest.resetModules();
    jest.useFakeTimers({ now: 4e12 });
    await runScenario(require('nanophoto-emulator'));
  });

  test('replaced globals', async () => {
    const originals = Object.getOwnPropertyDescriptors(globalThis);
    for (const name of REPLACED_GLOBALS) {
      const value = () => {
        throw new Error(`${name} was replaced`);
      };
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    try {
      await runScenario(library);
    } finally {
      for (const name of REPLACED_GLOBALS) {
        if (name in originals) Object.defineProperty(globalThis, name, originals[name]);
        else delete globalThis[name];
      }
    }
  });
});
