import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { LOCALES, type Locale, loadPhrases, type Technique } from '../../src/texts/phrases.ts';
import { type ScriptRequest, writeScript } from '../../src/texts/script.ts';

const TECHNIQUES = Object.keys(loadPhrases('en', FIXTURES_DIR).techniques) as Technique[];
const MARKER = /^### \[(\d+(?:\.\d+)?)s–(\d+(?:\.\d+)?)s\] (.+)$/gm;

const write = (own: Partial<ScriptRequest> = {}, locale: Locale = 'en', seed = 's') =>
  writeScript(
    { topic: 'a fox in the snow', technique: 'montage', durationSeconds: 10, imageCount: 0, ...own },
    loadPhrases(locale, FIXTURES_DIR),
    seededRandom(seed),
  );
const markers = (text: string) =>
  [...text.matchAll(MARKER)].map(([, from, to, title]) => ({
    from: Number(from),
    to: Number(to),
    title: title!,
  }));

describe('prompt generator', () => {
  it('has contiguous timing markers from 0 to the duration for any request', () => {
    const request = fc.record({
      technique: fc.constantFrom(...TECHNIQUES),
      durationSeconds: fc.oneof(
        fc.constantFrom(10, 15),
        fc.integer({ min: 1, max: 600 }),
        fc.double({ min: 1, max: 600, noNaN: true }).map((n) => Math.round(n * 100) / 100),
      ),
    });
    fc.assert(
      fc.property(request, fc.constantFrom(...LOCALES), fc.string(), (own, locale, seed) => {
        const found = markers(write(own, locale, seed));
        expect(found[0]!.from).toBe(0);
        expect(found.at(-1)!.to).toBe(own.durationSeconds);
        for (const [index, { from, to }] of found.entries()) {
          expect(to).toBeGreaterThan(from);
          if (index > 0) expect(from).toBe(found[index - 1]!.to);
        }
      }),
    );
  });

  it('numbers the shots and states their count', () => {
    const text = write({ durationSeconds: 15 });
    expect(markers(text).map(({ title }) => /^Shot (\d+): /.exec(title)![1])).toEqual(
      markers(text).map((_, index) => String(index + 1)),
    );
    expect(text).toContain(`**Shots:** ${markers(text).length}`);
    expect(text).toContain('**Duration:** 15 seconds');
  });

  it.each(LOCALES)('has one shot for a long take and several for other techniques in %s', (locale) => {
    for (const technique of TECHNIQUES) {
      for (const durationSeconds of [10, 15]) {
        const { length } = markers(write({ technique, durationSeconds }, locale));
        if (technique === 'long-take') expect(length).toBe(1);
        else expect(length).toBeGreaterThan(1);
      }
    }
    expect(markers(write({ technique: 'montage' }, locale)).length).toBeGreaterThan(
      markers(write({ technique: 'tracking-shot' }, locale)).length,
    );
  });

  it('has angle, movement, lighting, action and mood for each shot, and an overall atmosphere', () => {
    const text = write({ durationSeconds: 15 });
    const shots = text.split(/^### /m).slice(1);
    for (const shot of shots) {
      for (const label of ['Focus', 'Camera angle', 'Camera movement', 'Lighting', 'Action', 'Mood']) {
        expect(shot).toMatch(new RegExp(`- \\*\\*${label}:\\*\\* \\S`));
      }
    }
    expect(text).toMatch(/## Atmosphere and mood\n\S/);
    expect(text).toMatch(/\*\*Colour palette:\*\* \S/);
    expect(text).toMatch(/\*\*Sound design:\*\* \S/);
  });

  it('covers the topic with the technique', () => {
    for (const technique of TECHNIQUES) {
      const text = write({ topic: 'An old clockmaker, dust in the light, and a ticking wall', technique });
      const { name, summary, movements } = loadPhrases('en', FIXTURES_DIR).techniques[technique];
      expect(text).toContain(`${name}: ${summary}`);
      expect(movements.some((movement) => text.includes(movement))).toBe(true);
      expect(text).toContain('“An old clockmaker, dust in the light, and a ticking wall”');
    }
    const focuses = [...write({ topic: 'A garden with cherry blossoms and koi' }).matchAll(/\*\*Focus:\*\* (.+)/g)];
    const seen = focuses.map(([, focus]) => focus);
    expect(seen).toContain('cherry blossoms');
    expect(seen).toContain('koi');
  });

  it('quotes any topic unchanged on one line', () => {
    const topic = '{focus} $& $1 \\n `code`\n\n# heading |\u0000 🎬 "quoted" {n}';
    const text = write({ topic });
    expect(text).toContain('“{focus} $& $1 \\n `code` # heading |\u0000 🎬 "quoted" {n}”');
    expect(text).not.toMatch(/^# heading/m);
  });

  it('quotes a long topic once in full and shortens it elsewhere', () => {
    const topic = 'word '.repeat(100).trim();
    const text = write({ topic });
    expect(text).toContain(`“${topic}”`);
    expect(text.length).toBeLessThan(8000);
    for (const [, focus] of text.matchAll(/\*\*Focus:\*\* (.+)/g)) expect(focus!.length).toBeLessThanOrEqual(91);
  });

  it('mentions reference images only when there are any', () => {
    expect(write()).not.toContain('Reference images');
    expect(write({ imageCount: 2 })).toContain('**Reference images:** Start from the supplied pictures (2)');
  });

  it('is deterministic per seed', () => {
    expect(write({}, 'en', 'one')).toBe(write({}, 'en', 'one'));
    expect(write({}, 'en', 'one')).not.toBe(write({}, 'en', 'two'));
  });

  it.each(LOCALES)('has no unfilled slot in %s', (locale) => {
    for (const technique of TECHNIQUES) {
      for (const seed of ['a', 'b', 'c', 'd']) {
        expect(write({ technique, imageCount: 1 }, locale, seed)).not.toMatch(/\{\w+\}|undefined|null/);
      }
    }
  });
});
