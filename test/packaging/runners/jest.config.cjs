// Nothing here needs Babel, which takes long to load.
const transform = {};

const createProjects = (name, testEnvironment) => [
  { displayName: name, testEnvironment, transform, testMatch: ['**/modes.jest.cjs', '**/fixture.jest.cjs'] },
  {
    displayName: `${name}, fake timers everywhere`,
    testEnvironment,
    transform,
    testMatch: ['**/late.jest.cjs'],
    fakeTimers: { enableGlobally: true, now: 4e12 },
  },
];

module.exports = {
  testTimeout: 20_000,
  projects: [...createProjects('node', 'node'), ...createProjects('jsdom', process.env.JSDOM_ENVIRONMENT)],
};
