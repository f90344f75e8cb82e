import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResultBytes } from './content.ts';

/** A video of the fixtures, and where in it stands which task it is of. */
interface Fixture {
  bytes: Buffer;
  digest: string;
  markOffset: number;
  markLength: number;
}

/** What the fixtures have in the place of the task's id: see scripts/make-videos.mjs. */
const PLACEHOLDERS = [`task_${'0'.repeat(24)}`, '0'.repeat(32)];

export type VideoFixtures = ReturnType<typeof createVideoFixtures>;

/** The videos that were made once and for all. Each is read when it is first asked for, and kept: all together are few MB. */
export function createVideoFixtures(dir: string) {
  const fixtures = new Map<string, Fixture>();

  /** @throws Error when there is no such video, which the families' tables rule out */
  function load(name: string): Fixture {
    const bytes = readFileSync(join(dir, name));
    const mark = PLACEHOLDERS.find((placeholder) => bytes.includes(placeholder));
    if (!mark) throw new Error(`${name} has no place for the task's id`);
    return {
      bytes,
      digest: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
      markOffset: bytes.indexOf(mark),
      markLength: mark.length,
    };
  }

  function getFixture(name: string): Fixture {
    let fixture = fixtures.get(name);
    if (!fixture) {
      fixture = load(name);
      fixtures.set(name, fixture);
    }
    return fixture;
  }

  return {
    /** Changes whenever a byte of the file does. */
    etagFor: (fixture: string, name: string): string => `${getFixture(fixture).digest}-${name}`,

    /**
     * The file, which says in its comment which task it is of: no two tasks have the same file, so that a client that mixes
     * them up can be told. What is sent is copied, and nothing else.
     */
    read(fixture: string, name: string): ResultBytes {
      const { bytes, markOffset, markLength } = getFixture(fixture);
      if (name.length !== markLength) throw new Error(`${name} does not fit into ${fixture}`);
      const mark = Buffer.from(name, 'latin1');
      return {
        size: bytes.length,
        slice(start, end) {
          const part = bytes.subarray(start, end);
          const isMarked = start < markOffset + markLength && end > markOffset;
          if (!isMarked) return part;
          const copy = Buffer.from(part);
          const from = Math.max(start, markOffset);
          mark.copy(copy, from - start, from - markOffset, Math.min(markLength, end - markOffset));
          return copy;
        },
      };
    },
  };
}
