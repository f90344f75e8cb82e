import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResultBytes } from './content.ts';

/** A video of the fixtures, and where in it stands which task it is of. */
interface Fixture {
  bytes: Buffer;
  digest: string;
  markAt: number;
  markLength: number;
}

/** What the fixtures have in the place of the task's id: see scripts/make-videos.mjs. */
const PLACEHOLDERS = [`task_${'0'.repeat(24)}`, '0'.repeat(32)];

export type Videos = ReturnType<typeof createVideos>;

/** The videos that were made once and for all. Each is read when it is first asked for, and kept: all together are few MB. */
export function createVideos(dir: string) {
  const fixtures = new Map<string, Fixture>();

  /** @throws Error when there is no such video, which the families' tables rule out */
  function load(name: string): Fixture {
    const bytes = readFileSync(join(dir, name));
    const mark = PLACEHOLDERS.find((placeholder) => bytes.includes(placeholder));
    if (!mark) throw new Error(`${name} has no place for the task's id`);
    return {
      bytes,
      digest: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
      markAt: bytes.indexOf(mark),
      markLength: mark.length,
    };
  }

  function fixtureOf(name: string): Fixture {
    let fixture = fixtures.get(name);
    if (!fixture) {
      fixture = load(name);
      fixtures.set(name, fixture);
    }
    return fixture;
  }

  return {
    /** Changes whenever a byte of the file does. */
    tagOf: (fixture: string, name: string): string => `${fixtureOf(fixture).digest}-${name}`,

    /**
     * The file, which says in its comment which task it is of: no two tasks have the same file, so that a client that mixes
     * them up can be told. What is sent is copied, and nothing else.
     */
    read(fixture: string, name: string): ResultBytes {
      const { bytes, markAt, markLength } = fixtureOf(fixture);
      if (name.length !== markLength) throw new Error(`${name} does not fit into ${fixture}`);
      const mark = Buffer.from(name, 'latin1');
      return {
        size: bytes.length,
        slice(start, end) {
          const part = bytes.subarray(start, end);
          const isMarked = start < markAt + markLength && end > markAt;
          if (!isMarked) return part;
          const copy = Buffer.from(part);
          const from = Math.max(start, markAt);
          mark.copy(copy, from - start, from - markAt, Math.min(markLength, end - markAt));
          return copy;
        },
      };
    },
  };
}
