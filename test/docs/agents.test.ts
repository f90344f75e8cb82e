import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDirective } from '../../src/http/faults/directives.ts';
import { collectDocumentedErrors } from '../../src/http/pipeline/error-table.ts';
import { accountMatchers } from '../../src/testing/matchers.ts';
import { hasProgram } from '../support/command.ts';
import { createShell, IS_STOPPED } from '../support/documented-shell.ts';
import { listRegisteredRoutes } from '../support/routes.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const llms = read('llms.txt');
const skill = read('SKILL.md');
const blocks = [...skill.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, lines]) => lines!);

describe('llms.txt', () => {
  it('lists every guide and every page of the reference, with its title', () => {
    const pages = ['guides', 'reference'].flatMap((folder) =>
      readdirSync(join(ROOT, 'docs', folder)).map((name) => `docs/${folder}/${name}`),
    );
    const expected = pages.map((page) => `[${/^# (.*)/.exec(read(page))![1]}](${page})`);
    const listed = llms.match(/\[[^\]]+\]\(docs\/(?:guides|reference)\/[^)]+\)/g);
    expect(listed!.sort()).toEqual(expected.sort());
  });
});

describe('SKILL.md', () => {
  it('has the front matter of an agent skill', () => {
    const [, name, description] = /^---\nname: ([a-z-]+)\ndescription: "([^"\n]+)"\n---\n/.exec(skill)!;
    expect(name).toBe('nanophoto-emulator');
    expect(description!.length).toBeLessThan(1024);
    expect(skill.split('\n').length).toBeLessThan(120);
  });

  it.skipIf(!hasProgram('bash', '--version') || !hasProgram('curl', '--version'))(
    'has commands that run one after the other',
    async () => {
      const [start, exec, ...others] = blocks;
      const { run } = await createShell();
      const stop = 'npx nanophoto-emulator stop\n';
      expect(start!.endsWith(stop)).toBe(true);
      const tests = 'npm test\nnp_test_default\n{"status":"ready"}\n';
      const output = await run(`${start!.slice(0, -stop.length)}${others.join('')}\n${stop}${IS_STOPPED}`);
      expect(output).toContain(tests);
      expect(output).toMatch(/"mode":"frozen".*"transitions":\[\].*"remaining":50.*"effect":\{"empty":true\}/s);
      expect(output).toMatch(/"kind":"grant".*"ok":true,"findings":\[\].*\nstopped\n$/s);
      expect(output).not.toContain('"error"');
      expect(await run(exec!)).toBe(tests);
    },
  );

  it('names matchers and fixtures that exist', () => {
    const matchers = [...skill.matchAll(/\b(to(?:Have|Be)[A-Z]\w+)\(/g)].map(([, name]) => name!);
    expect(new Set(matchers)).toEqual(new Set(Object.keys(accountMatchers)));
    const { exports } = JSON.parse(read('package.json'));
    const modules = [...skill.matchAll(/[`']nanophoto-emulator\/(\w+)[`']/g)].map(([, name]) => `./${name}`);
    expect(modules).toHaveLength(3);
    for (const name of modules) expect(exports).toHaveProperty([name]);
  });
});

describe('directives', () => {
  it('that the guides, README.md and SKILL.md show are valid', async () => {
    const guides = readdirSync(join(ROOT, 'docs/guides')).map((name) => `docs/guides/${name}`);
    const codes = collectDocumentedErrors((await listRegisteredRoutes()).map(({ errors }) => errors));
    const shown = ['README.md', 'SKILL.md', ...guides].flatMap((page) =>
      [...read(page).matchAll(/@emulator\(([^)…]+)\)/g)].map(([, options]) => options!),
    );
    expect(shown.length).toBeGreaterThan(20);
    const invalid = shown.filter((options) => !parseDirective(options, (code) => code in codes || code === 'CODE'));
    expect(invalid).toEqual([]);
  });
});
