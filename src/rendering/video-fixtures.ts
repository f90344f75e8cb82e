import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResultBytes } from './content.ts';

/** A video file and the position of the task id in it. */
interface Fixture {
  bytes: Buffer;
  digest: string;
  idOffset: number;
  idLength: number;
}

/** Placeholders for the task id in the fixtures: see scripts/make-videos.mjs. */
const PLACEHOLDERS = [`task_${'0'.repeat(24)}`, '0'.repeat(32)];

/** Serves the pre-rendered videos. Each is read on first use and kept in memory: together they take a few MB. */
export function createVideoFixtures(dir: string) {
  const fixtures = new Map<string, Fixture>();

  /** @throws Error when the file does not exist, which the families' tables rule out */
  function load(name: string): Fixture {
    const bytes = readFileSync(join(dir, name));
    const placeholder = PLACEHOLDERS.find((id) => bytes.includes(id));
    if (!placeholder) throw new Error(`${name} has no placeholder for the task id`);
    return {
      bytes,
      digest: createHash('sha256').update(bytes).digest('hex').slice(0, 16),
      idOffset: bytes.indexOf(placeholder),
      idLength: placeholder.length,
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
     * Reads a file with the task id in its metadata. Every task has a different file, so that tests can detect a client
     * that mixes them up. An id that is shorter than a generated one is padded with spaces; of a longer one, the file has
     * the end. Only slices that contain the id are copied.
     */
    read(fixture: string, name: string): ResultBytes {
      const { bytes, idOffset, idLength } = getFixture(fixture);
      const id = Buffer.from(name.slice(-idLength).padEnd(idLength), 'latin1');
      return {
        size: bytes.length,
        slice(start, end) {
          const part = bytes.subarray(start, end);
          const containsId = start < idOffset + idLength && end > idOffset;
          if (!containsId) return part;
          const copy = Buffer.from(part);
          const from = Math.max(start, idOffset);
          id.copy(copy, from - start, from - idOffset, Math.min(idLength, end - idOffset));
          return copy;
        },
      };
    },
  };
}
