import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PROJECT_FILES = fileURLToPath(new URL('project', import.meta.url));
const run = promisify(execFile);

/** A Node.js executable and the environment for its programs. */
export interface NodeInstallation {
  file: string;
  env: NodeJS.ProcessEnv;
}

/** The environment without the settings of the npm that runs this program, and those of other emulators. */
const baseEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NANOPHOTO_|PORT$|NODE_OPTIONS$)/.test(name)),
);

/** The Node.js that runs this program. */
export const currentNode: NodeInstallation = { file: process.execPath, env: baseEnvironment };

/** Runs npm in `dir`, with the given Node.js. */
async function npm(node: NodeInstallation, dir: string, ...args: string[]): Promise<string> {
  const script = process.env.npm_execpath;
  if (!script) throw new Error('Run this program with npm run test:nodes.');
  const { stdout } = await run(node.file, [script, ...args], { cwd: dir, env: node.env, maxBuffer: 1e8 });
  return stdout;
}

/** Builds and packs the package. Returns the tarball. */
export async function pack(dir: string): Promise<string> {
  await npm(currentNode, ROOT, 'pack', '--pack-destination', dir);
  return join(dir, readdirSync(dir).find((name) => name.endsWith('.tgz'))!);
}

/** Installs the newest Node.js of this major version in `dir`, from npm's package `node`. */
export async function installNode(major: number, dir: string): Promise<NodeInstallation> {
  mkdirSync(dir);
  writeFileSync(join(dir, 'package.json'), '{}');
  await npm(currentNode, dir, 'install', `node@${major}`, '--no-audit', '--no-fund');
  const modules = join(dir, 'node_modules/node');
  const file = join(modules, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const path = `${dirname(file)}${delimiter}${process.env.PATH}`;
  // The package also contains the headers, which a compilation of better-sqlite3 needs.
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const headers = join(modules, 'node_modules', `node-${system}-${process.arch}`);
  const nodeDir = existsSync(join(headers, 'include')) ? { npm_config_nodedir: headers } : {};
  return { file, env: { ...baseEnvironment, PATH: path, ...nodeDir } };
}

/** Creates a project in `dir` that has installed the tarball, with addons that npm downloads or compiles. */
export async function installPackage(node: NodeInstallation, tarball: string, dir: string): Promise<void> {
  createProject(dir, {});
  await npm(node, dir, 'install', tarball, '--no-audit', '--no-fund');
}

/** Like `installPackage`, but links the addons of this clone instead, without a network. */
export async function installPackageOffline(node: NodeInstallation, tarball: string, dir: string): Promise<void> {
  const addons = ['better-sqlite3', 'sharp'].map((name) => [name, `file:${join(ROOT, 'node_modules', name)}`]);
  createProject(dir, Object.fromEntries(addons));
  const flags = ['--offline', '--install-links=false', '--ignore-scripts', '--no-audit', '--no-fund'];
  await npm(node, dir, 'install', ...flags, tarball);
}

function createProject(dir: string, dependencies: Record<string, string>): void {
  cpSync(PROJECT_FILES, dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ dependencies }));
}
