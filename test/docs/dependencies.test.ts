import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const { dependencies, devDependencies, overrides, allowScripts } = JSON.parse(read('package.json'));
const tooling = JSON.parse(read('test/tooling/package.json'));

/** The packages in a section of the page, each with its reason. */
const [, ...parts] = read('docs/dependencies.md').split(/^## /m);
const rowsOf = (title: string) =>
  [...parts.find((part) => part.startsWith(`${title}\n`))!.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(
    ([, name, why]) => ({ name: name!, why: why! }),
  );
const namesOf = (title: string) =>
  rowsOf(title)
    .map(({ name }) => name)
    .sort();
const DEVELOPMENT = ['Bundled', 'To build and to check', 'To test', 'To measure'];

describe('docs/dependencies.md', () => {
  it('gives a reason for each package in package.json, and lists no others', () => {
    expect(namesOf('Installed with the emulator')).toEqual(Object.keys(dependencies).sort());
    expect(DEVELOPMENT.flatMap(namesOf).sort()).toEqual(Object.keys(devDependencies).sort());
    expect(namesOf('To test, in a package of their own')).toEqual(Object.keys(tooling.dependencies).sort());
    expect(namesOf('Overrides')).toEqual(Object.keys(overrides).sort());
    expect(namesOf('Scripts at installation')).toEqual(Object.keys(allowScripts).sort());
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

describe('package.json', () => {
  it('pins exact versions', () => {
    const versions = Object.values<string>({ ...dependencies, ...devDependencies, ...tooling.dependencies });
    expect(versions.filter((version) => !/^(npm:[\w-]+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it.each(['package-lock.json', 'test/tooling/package-lock.json'])('has a checksum for each package in %s', (file) => {
    const { packages } = JSON.parse(read(file)) as { packages: Record<string, { integrity?: string; link?: true }> };
    const without = Object.entries(packages)
      .filter(([path, { integrity, link }]) => path !== '' && !integrity && !link)
      .map(([path]) => path);
    expect(Object.keys(packages).length).toBeGreaterThan(100);
    expect(without).toEqual([]);
  });
});
