import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

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
    tagOf: (name: string, mark: string): string => `${fixtureOf(name).digest}-${mark}`,

    /**
     * The file, which says in its comment which task it is of: no two tasks have the same file, so that a client that mixes
     * them up can be told.
     */
    read(name: string, mark: string): Buffer {
      const { bytes, markAt, markLength } = fixtureOf(name);
      if (mark.length !== markLength) throw new Error(`${mark} does not fit into ${name}`);
      const copy = Buffer.allocUnsafeSlow(bytes.length);
      bytes.copy(copy);
      copy.write(mark, markAt, 'latin1');
      return copy;
    },
  };
}
