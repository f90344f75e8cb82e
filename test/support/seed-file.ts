import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './temp-dir.ts';

/** Writes a seed file for the running test and returns its path. Strings are written unchanged. */
export function writeSeedFile(content: unknown): string {
  const file = join(tempDir(), 'seed.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}
