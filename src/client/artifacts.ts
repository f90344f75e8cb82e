import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AccountControl, Control } from './api.ts';
import type { AccountState } from './types.ts';

/** Names that are safe on every file system, including case-insensitive ones. */
const SAFE_NAME = /^np_[a-z0-9_-]{1,100}$/;
const MAX_READABLE_CHARACTERS = 100;

const OPEN_NOTE = 'To see all of it in the console, run `npx nanophoto-emulator open .` in the directory of this file.';

/**
 * Writes the artifacts of every account that received requests, each to a directory named after its key. Resolves with
 * the number of accounts; an error becomes a warning.
 */
export async function writeAllArtifacts(control: Control, dir: string): Promise<number> {
  let count = 0;
  await warnOnError(async () => {
    for (const { key } of await control.accounts.list()) {
      const account = control.account(key);
      if ((await account.requests.count()) === 0) continue;
      if (await writeArtifacts(account, dir, key)) count += 1;
    }
  });
  return count;
}

/**
 * Writes the artifacts of an account: its state with its requests and the verdict, the requests as HAR, and a summary.
 * Resolves with false, after a warning, if that is not possible.
 *
 * @param name Any text; different names lead to different directories in `dir`
 */
export const writeArtifacts = (account: AccountControl, dir: string, name: string): Promise<boolean> =>
  warnOnError(async () => {
    const files = {
      'account.json': formatState(await account.exportState({ include: ['requests', 'verdict'] })),
      'requests.har': `${JSON.stringify(await account.requests.har(), null, 2)}\n`,
      'summary.md': `${await account.summary()}\n${OPEN_NOTE}\n`,
    };
    const target = join(dir, toDirName(name));
    await mkdir(target, { recursive: true });
    for (const [file, text] of Object.entries(files)) {
      // A new file each time: `mode` does not apply to one that exists. Only account.json contains the key.
      await rm(join(target, file), { force: true });
      await writeFile(join(target, file), text, { flag: 'wx', mode: file === 'account.json' ? 0o600 : 0o666 });
    }
  });

/** Artifacts must not change the result of a program or a test. */
async function warnOnError(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    process.stderr.write(`nanophoto-emulator: Artifacts cannot be written: ${(error as Error).message}\n`);
    return false;
  }
}

/** Turns a name into that of a directory. A hash distinguishes names that would otherwise be equal. */
export function toDirName(name: string): string {
  if (SAFE_NAME.test(name)) return name;
  const readable = name.replaceAll(/[^\w.-]+/g, '-').replace(/^[.-]+/, '');
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${readable.slice(0, MAX_READABLE_CHARACTERS) || 'account'}-${hash}`;
}

/** Formats a document with one line per ledger entry, task, fault rule and request, so that differences are readable. */
function formatState(state: AccountState): string {
  const members = Object.entries(state).map(([name, value]) => {
    const text = Array.isArray(value)
      ? `[${value.map((one) => `\n${JSON.stringify(one)}`).join()}\n]`
      : JSON.stringify(value);
    return `"${name}": ${text}`;
  });
  return `{\n${members.join(',\n')}\n}\n`;
}
