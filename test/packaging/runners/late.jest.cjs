const runScenario = require('./scenario.cjs');

test('works when it is loaded after everything was faked, and when time is real again', async () => {
  expect(Date.now()).toBe(4e12);
  const library = require('nanophoto-emulator');
  await runScenario(library);
  jest.useRealTimers();
  await runScenario(library);
});
