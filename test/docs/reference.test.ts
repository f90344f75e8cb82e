import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { FAMILIES } from '../../src/families/index.ts';
import { readSeedFile } from '../../src/server/seed-file.ts';
import { runCommand } from '../support/command.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { writeSeedFile } from '../support/seed-file.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const settings = read('docs/reference/settings.md');
const api = read('docs/reference/api.md');
const commandLine = read('docs/reference/command-line.md');

/** Flags that are not settings. */
const OTHER_FLAGS = [
  ...['detach', 'timeout-ms', 'proxy', 'report', 'fail-on-verdict', 'artifacts', 'help', 'version'],
  ...['record', 'upstream', 'spend', 'record-files'],
];

const getHelp = async () => (await runCommand(['--help']).ended).stdout;

const DEFAULTS = { rateLimit: 100, speed: 60, failureRate: 0, seed: 's', clock: 'real' } as const;
/** Reads the example of a seed file that begins with this field. */
const readExample = (name: string) => {
  const example = new RegExp(`\`\`\`json\\n(\\{\\n {2}"${name}"[\\s\\S]*?)\`\`\``).exec(settings)![1]!;
  return readSeedFile(writeSeedFile(example), DEFAULTS);
};

describe('docs/reference/settings.md', () => {
  it('lists every setting with its default', async () => {
    const flags = [...(await getHelp()).matchAll(/^ {2}--([\w-]+)/gm)].map(([, flag]) => flag!);
    const listed = [...settings.matchAll(/^\| `--([\w-]+)` \| (\S+)/gm)].map(([, flag, value]) => [flag, value]);
    expect(listed.map(([flag]) => flag)).toEqual(flags.filter((flag) => !OTHER_FLAGS.includes(flag)));
    const { config } = readCommand([], {});
    expect(Object.fromEntries(listed)).toMatchObject({
      port: String(config.port),
      host: config.host,
      clock: config.clock,
      speed: String(config.speed),
      seed: config.seed,
      'rate-limit': String(config.rateLimit),
      'failure-rate': String(config.failureRate),
      'failed-task-status': String(config.failedTaskStatus),
      cors: 'off',
      'split-characters': 'off',
      'result-ttl-seconds': 'off',
      'journal-entries': String(config.journalEntries),
      'body-limit-bytes': String(config.bodyLimitBytes),
      'text-limit-characters': String(config.textLimitCharacters),
      'header-limit-bytes': String(config.headerLimitBytes),
      'request-timeout-seconds': String(config.requestTimeoutSeconds),
      'memory-budget-mb': String(config.memoryBudgetMb),
      'connection-limit': String(config.connectionLimit),
      'stream-limit': String(config.streamLimit),
      'listener-limit': String(config.listenerLimit),
      'auto-account-limit': String(config.autoAccountLimit),
      'snapshot-limit': String(config.snapshotLimit),
      'fault-limit': String(config.faultLimit),
    });
  });

  it('has an example of a seed file that is valid', () => {
    expect(readExample('defaults').accounts.map(({ key }) => key)).toEqual(['team-a', 'team-b']);
  });

  it('has an example of prices that the seed file accepts, and says where family names come from', async () => {
    expect(Object.keys(readExample('prices').priceOverrides).length).toBeGreaterThan(5);
    for (const { name } of FAMILIES) {
      expect(existsSync(join(ROOT, `src/families/${name}.ts`))).toBe(true);
    }
  });
});

describe('docs/reference/api.md', () => {
  it('lists every endpoint of /openapi.json', async () => {
    const { app } = await createTestEmulator();
    const served = Object.keys((await app.inject('/openapi.json')).json().paths);
    for (const url of served) expect(app.hasRoute({ method: 'POST', url })).toBe(true);
    const [table] = /<!-- generated: endpoints -->[\s\S]*?<!-- \/generated -->/.exec(api)!;
    const listed = [...table.matchAll(/^\| `(\/api\/[^`]+)` \|/gm)].map(([, path]) => path);
    expect(served.length).toBeGreaterThan(5);
    expect([...listed].sort()).toEqual([...served].sort());
    for (const path of served) expect(read('docs/reference/fidelity.md')).toContain(path);
  });
});

describe('docs/reference/command-line.md', () => {
  it('lists every command and every flag that is not a setting', async () => {
    const help = await getHelp();
    const commands = [...help.matchAll(/^(?:Usage:| {6}) nanophoto-emulator \[?(\w+)/gm)].map(([, name]) => name!);
    expect(commands.length).toBeGreaterThan(13);
    for (const name of commands) expect(commandLine).toMatch(new RegExp(`^\\|.*\`${name}\\b`, 'm'));
    const rows = [...commandLine.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell!);
    const named = rows.flatMap((cell) => [...cell.matchAll(/`([a-z]{2,})\b/g)].map(([, name]) => name!));
    expect(named.filter((name) => !commands.includes(name))).toEqual([]);
    const flags = [...help.matchAll(/^ {2}--([\w-]+)/gm)].map(([, flag]) => flag!);
    for (const flag of flags.filter((one) => OTHER_FLAGS.includes(one) && one !== 'version')) {
      expect(commandLine).toContain(`--${flag}`);
    }
    for (const [, flag] of commandLine.matchAll(/--([a-z][\w-]+)/g)) expect(flags).toContain(flag);
  });
});
