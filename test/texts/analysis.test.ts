import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { type AnalysisRequest, writeAnalysis } from '../../src/texts/analysis.ts';
import { LOCALES, type Locale, loadPhrases } from '../../src/texts/phrases.ts';

const write = (own: Partial<AnalysisRequest> = {}, locale: Locale = 'en', seed = 's') =>
  writeAnalysis(
    { kind: 'file', name: 'clip.mp4', durationMs: 12_345, ...own },
    loadPhrases(locale, FIXTURES_DIR),
    seededRandom(seed),
  );
const rows = (text: string) =>
  text
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line))
    .map((line) => line.slice(2, -2).split(' | '));

describe('reverse prompt', () => {
  it('has rows whose durations add up to any video length to the millisecond', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_600_000 }),
        fc.constantFrom(...LOCALES),
        fc.string(),
        (durationMs, locale, seed) => {
          const durations = rows(write({ durationMs }, locale, seed)).map((cells) => cells.at(-1)!);
          let sumMs = 0;
          for (const duration of durations) {
            expect(duration).toMatch(/^\d+(\.\d{1,3})?s$/);
            const ms = Math.round(Number.parseFloat(duration) * 1000);
            expect(ms).toBeGreaterThan(0);
            sumMs += ms;
          }
          expect(sumMs).toBe(durationMs);
        },
      ),
    );
  });

  it('has a table of six columns with the shots in order, and a summary', () => {
    const text = write({ durationMs: 30_000 });
    const found = rows(text);
    expect(found.length).toBeGreaterThan(5);
    expect(found.map(([number]) => number)).toEqual(found.map((_, index) => String(index + 1)));
    for (const cells of found) {
      expect(cells).toHaveLength(6);
      for (const cell of cells) expect(cell.trim()).not.toBe('');
      expect(cells[4]).toMatch(/^BGM: .+ · Effects: .+ · Narration: .+$/);
    }
    expect(text).toContain(
      '| Shot | Framing / angle | Camera movement | Visual description | Audio | Duration |\n| --- |',
    );
    expect(text.indexOf('### Overall summary')).toBeGreaterThan(text.lastIndexOf('| '));
    expect(text).toContain('**Source:** Uploaded file – clip.mp4');
    expect(text).toContain('**Length:** 30 s');
  });

  it('does not repeat a shot in a row, and has several shots for a short video', () => {
    const visuals = rows(write({ durationMs: 60_000 })).map((cells) => cells[3]);
    for (const [index, visual] of visuals.entries()) expect(visual).not.toBe(visuals[index - 1]);
    expect(rows(write({ durationMs: 9000 })).length).toBeGreaterThan(1);
  });

  it.each(LOCALES)('has intact tables and no unfilled slot in %s', (locale) => {
    for (const seed of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const text = write({ durationMs: 72_000 }, locale, seed);
      expect(text).not.toMatch(/\{\w+\}|undefined|null/);
      for (const cells of rows(text)) expect(cells).toHaveLength(6);
    }
  });
});
