import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { NodeInstallation } from './install.ts';

const MAIN = 'node_modules/nanophoto-emulator/dist/main.js';
const TIMEOUT_MS = 60_000;
const run = promisify(execFile);

/** A project in `dir` that has installed the package. */
export interface Project {
  node: NodeInstallation;
  dir: string;
}

type Check = (project: Project) => Promise<void>;

/** The checks by name. Each throws when it fails. */
export const CHECKS: Record<string, Check> = {
  start,
  exec: (project) => exec(project),
  'exec with the URL of the real service': (project) => exec(project, 'https://nanophoto.ai'),
  import: (project) => runTest(project, 'imported.test.mjs'),
  require: (project) => runTest(project, 'required.test.cjs'),
};

/** Runs the flow against the command, then ends the command with SIGTERM. */
async function start({ node, dir }: Project): Promise<void> {
  const child = spawn(node.file, [MAIN, '--port', '0', '--clock', 'auto'], {
    cwd: dir,
    env: node.env,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: TIMEOUT_MS,
  });
  const exited = once(child, 'exit');
  try {
    const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited]);
    assert.equal(typeof line, 'string', 'the command ended before it was ready');
    const { url, firstKey } = JSON.parse(line);
    const env = { ...node.env, NANOPHOTO_API_BASE_URL: url, NANOPHOTO_API_KEY: firstKey };
    await runNode({ node: { ...node, env }, dir }, 'flow.mjs');
  } finally {
    child.kill();
  }
  const [code] = await exited;
  // On Windows, a signal always ends a process at once.
  assert.equal(code, process.platform === 'win32' ? null : 0);
}

async function exec({ node, dir }: Project, url?: string): Promise<void> {
  const program = [node.file, 'flow.mjs', ...(url === undefined ? [] : [url])];
  await runNode({ node, dir }, MAIN, 'exec', '--', ...program);
}

async function runTest(project: Project, file: string): Promise<void> {
  assert.match(await runNode(project, '--test', '--test-reporter=tap', file), /^# pass 1$/m);
}

/** Returns the output. @throws Error when the exit code is not 0; its message has the error output */
async function runNode({ node, dir }: Project, ...args: string[]): Promise<string> {
  const { stdout } = await run(node.file, args, { cwd: dir, env: node.env, timeout: TIMEOUT_MS });
  return stdout;
}
