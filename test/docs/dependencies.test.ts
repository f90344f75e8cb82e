import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const { dependencies, devDependencies, peerDependencies, overrides, allowScripts } = JSON.parse(read('package.json'));
const tools = JSON.parse(read('test/package.json'));
const MUTATION = 'test/tools/mutation/package.json';

/** The packages in a section of the page, each with its reason. */
const [, ...parts] = read('docs/contributing/dependencies.md').split(/^## /m);
const rowsOf = (title: string) =>
  [...parts.find((part) => part.startsWith(`${title}\n`))!.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(
    ([, name, why]) => ({ name: name!, why: why! }),
  );
const namesOf = (title: string) =>
  rowsOf(title)
    .map(({ name }) => name)
    .sort();
const DEVELOPMENT = ['Bundled', 'To build and to check', 'To test', 'To measure'];

describe('docs/contributing/dependencies.md', () => {
  it('gives a reason for each package in package.json, and lists no others', () => {
    expect(namesOf('Installed with the emulator')).toEqual(Object.keys(dependencies).sort());
    expect(DEVELOPMENT.flatMap(namesOf).sort()).toEqual(Object.keys(devDependencies).sort());
    expect(namesOf('To test, in `test/package.json`')).toEqual(Object.keys(tools.dependencies).sort());
    expect(namesOf(`To find untested code, in \`${MUTATION}\``)).toEqual(
      Object.keys(JSON.parse(read(MUTATION)).dependencies).sort(),
    );
    expect(namesOf('Peers')).toEqual(Object.keys(peerDependencies).sort());
    expect(namesOf('Overrides')).toEqual(Object.keys(overrides).sort());
    expect(namesOf('Scripts at installation')).toEqual(Object.keys({ ...allowScripts, ...tools.allowScripts }).sort());
    const rows = parts.flatMap((part) => rowsOf(part.slice(0, part.indexOf('\n'))));
    for (const { name, why } of rows) expect(why.length, name).toBeGreaterThan(7);
  });

  it('lists exactly the bundled packages as bundled', () => {
    const notices = read('dist/THIRD-PARTY-LICENSES.txt');
    const isBundled = (name: string) => notices.includes(`\n${name} ${devDependencies[name]}\n`);
    const bundled = Object.keys(devDependencies).filter(isBundled);
    expect(namesOf('Bundled')).toEqual(bundled.sort());
  });
});

describe.each(['package.json', 'test/package.json', MUTATION])('%s', (file) => {
  it('pins exact versions', () => {
    const { dependencies, devDependencies } = JSON.parse(read(file));
    const versions = Object.values<string>({ ...dependencies, ...devDependencies });
    expect(versions.filter((version) => !/^(npm:[\w-]+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it('has a lock file with a checksum for each package', () => {
    const lockFile = file.replace('package.json', 'package-lock.json');
    const { packages } = JSON.parse(read(lockFile)) as { packages: Record<string, { integrity?: string }> };
    const without = Object.entries(packages).filter(([path, { integrity }]) => path !== '' && !integrity);
    expect(Object.keys(packages).length).toBeGreaterThan(100);
    expect(without).toEqual([]);
  });
});

describe('the lock file', () => {
  // A dependency of sharp. The tools of the tests have another version.
  const semver = createRequire(join(ROOT, 'package.json'))('semver');
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { engines?: { node?: string }; deprecated?: string }>;
  };

  it('has fewer than 400 packages', () => {
    expect(
      Object.keys(packages).filter((path) => !/-(?:linux|darwin|win32|android|freebsd|wasm)/.test(path)).length,
    ).toBeLessThan(400);
  });

  it('has no package that is deprecated or does not support Node.js 20.19', () => {
    const bad = Object.entries(packages).filter(
      ([, { engines, deprecated }]) => deprecated || (engines?.node && !semver.satisfies('20.19.0', engines.node)),
    );
    expect(bad.map(([path]) => path)).toEqual([]);
  });
});
