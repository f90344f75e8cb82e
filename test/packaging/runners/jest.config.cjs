const createProjects = (name, testEnvironment) => [
  { displayName: name, testEnvironment, testMatch: ['**/modes.jest.cjs', '**/fixture.jest.cjs'] },
  {
    displayName: `${name}, fake timers everywhere`,
    testEnvironment,
    testMatch: ['**/late.jest.cjs'],
    fakeTimers: { enableGlobally: true, now: 4e12 },
  },
];

module.exports = {
  testTimeout: 20_000,
  projects: [...createProjects('node', 'node'), ...createProjects('jsdom', process.env.JSDOM_ENVIRONMENT)],
};
