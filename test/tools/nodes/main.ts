// `npm run test:nodes`. Installs the packed package with several versions of Node.js, and runs it with each. Exits with
// 1 if any check failed.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { integerBetween, readFlags } from '../../support/flags.ts';
import { CHECKS, type Project } from './checks.ts';
import { currentNode, installNode, installPackage, installPackageOffline, pack } from './install.ts';

const MAJORS = [20, 22, 24];

const { short, only } = readFlags('test:nodes', {
  only: {
    read: integerBetween(20, 99),
    expects: 'a major version from 20 to 99',
    describes: `tests this version of Node.js; default ${MAJORS.join(', ')}`,
  },
  short: { describes: 'tests the Node.js that runs this, with the addons of the clone: no download or compilation' },
});
if (short && only !== undefined) {
  process.stderr.write('test:nodes: --short and --only exclude each other; leave one out.\n');
  process.exit(2);
}

const print = (text: string) => process.stdout.write(`${text}\n`);
const dir = mkdtempSync(join(tmpdir(), 'nanophoto-emulator-nodes-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const tarball = await pack(dir);
for (const major of short ? [undefined] : only === undefined ? MAJORS : [only]) {
  const name = major === undefined ? process.version : `Node.js ${major}`;
  try {
    await runChecks(await createProject(major));
  } catch (error) {
    fail(`${name} cannot be prepared`, error);
  }
}

async function createProject(major: number | undefined): Promise<Project> {
  const project = join(dir, `project-${major ?? 'short'}`);
  if (major === undefined) {
    await installPackageOffline(currentNode, tarball, project);
    return { node: currentNode, dir: project };
  }
  const node = await installNode(major, join(dir, `node-${major}`));
  await installPackage(node, tarball, project);
  return { node, dir: project };
}

async function runChecks(project: Project): Promise<void> {
  print(`Node.js ${execFileSync(project.node.file, ['--version'], { encoding: 'utf8' }).trim()}`);
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      await check(project);
      print(`  passed: ${name}`);
    } catch (error) {
      fail(`  failed: ${name}`, error);
    }
  }
}

function fail(text: string, error: unknown): void {
  const { message, stdout = '', stderr = '' } = error as Error & { stdout?: string; stderr?: string };
  print([text, message, stdout, stderr].filter((part) => part !== '').join('\n'));
  process.exitCode = 1;
}
