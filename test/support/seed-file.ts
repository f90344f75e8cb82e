import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './temp-dir.ts';

/** A seed file of the running test's own. Text is written as it is. */
export function seedFileOf(content: unknown): string {
  const file = join(tempDir(), 'seed.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}
