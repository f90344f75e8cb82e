import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = ['.', 'docs', 'python'].flatMap((dir) =>
  readdirSync(join(ROOT, dir))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(dir, name)),
);

/** The anchors that GitHub gives the headings of a page. */
function readAnchors(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/^#+ (.*)/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('links in the docs', () => {
  it.each(PAGES)('lead to headings that exist: %s', (page) => {
    const links = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\((?![a-z]+:)([^)#]*)#([^)]+)\)/g)];
    const broken = links.filter(
      ([, path, anchor]) => !readAnchors(path ? join(page, '..', path) : page).includes(anchor!),
    );
    expect(broken.map(([link]) => link)).toEqual([]);
  });
});
