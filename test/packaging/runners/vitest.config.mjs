import { defineConfig } from 'vitest/config';

const createProject = (pool, environment, include = ['late.vitest.mjs', 'fixture.vitest.mjs']) => ({
  test: { name: `${pool}, ${environment}`, pool, environment, include, testTimeout: 20_000 },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      createProject('forks', 'node', ['*.vitest.mjs']),
      createProject('forks', 'happy-dom'),
      createProject('threads', 'jsdom'),
      createProject('vmThreads', 'jsdom'),
      createProject('vmForks', 'node'),
    ],
  },
});
