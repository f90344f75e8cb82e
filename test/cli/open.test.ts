import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildDocument } from '../support/account-document.ts';
import { runCommand, startCommand } from '../support/command.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runTool } from '../support/tools.ts';

function writeDocument(document: object): string {
  const file = join(tempDir(), 'state.json');
  writeFileSync(file, JSON.stringify(document));
  return file;
}

describe('open', () => {
  it('prints the URL of an emulator that shows the file, and ends at SIGTERM', async () => {
    const file = writeDocument(buildDocument());
    // The settings of another emulator.
    const env = { NANOPHOTO_EMULATOR_DATA_DIR: '/nowhere', PORT: '1' };
    const { ready, url, child, ended } = await startCommand(['open', file], env);
    expect(ready).toMatchObject({ msg: `ready at ${url}`, data: `read-only: ${file}`, firstKey: null });
    const response = await fetch(`${url}/__admin/accounts`);
    expect(await response.json()).toMatchObject({ accounts: [{ key: 'np_imported', credits: 2 }] });
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
  });

  it('exits with 2 and one sentence when a file is invalid', async () => {
    const file = writeDocument({ ...buildDocument(), version: 2 });
    expect(await runCommand(['open', file]).ended).toMatchObject({
      ...{ code: 2, stdout: '' },
      stderr: `nanophoto-emulator: ${file} cannot be opened: version: expected 1; a newer emulator wrote version 2.\n`,
    });
  });

  it('prints its help', async () => {
    const { code, stdout } = await runTool('open', '--help');
    expect([code, stdout]).toEqual([0, expect.stringContaining('open [flags] <file or directory>')]);
  });

  it.each([
    [[], 'open needs a file or a directory; state export --include requests,verdict writes a file.'],
    [['a', 'b'], 'open takes one file or directory; leave out "b".'],
    [['a', '--data-dir', 'b'], 'Unknown flag --data-dir; nanophoto-emulator open --help lists the flags.'],
    [['a', '--port', 'x'], '--port must be a port from 0 to 65535, not "x".'],
    [['/no/such'], "/no/such cannot be read: ENOENT: no such file or directory, stat '/no/such'."],
  ])('rejects %j with one sentence', async (args, sentence) => {
    expect(await runTool('open', ...args)).toMatchObject({ code: 2, sentence });
  });
});
