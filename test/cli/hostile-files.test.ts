import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readCaCertificate } from '../../src/cli/ca.ts';
import { formatConfig } from '../../src/cli/config.ts';
import { buildCaBundle } from '../../src/cli/exec/environment.ts';
import { compareSample, formatDriftReport } from '../../src/conformance/recordings/drift.ts';
import type { RecordedSample } from '../../src/conformance/recordings/exchange-log.ts';
import { loadSamples } from '../../src/conformance/recordings/load-samples.ts';
import { ruleFromSample } from '../../src/conformance/recordings/sample-to-rule.ts';
import { openDb } from '../../src/core/storage/database.ts';
import { MIGRATIONS_DIR } from '../../src/paths.ts';
import { readConfig } from '../../src/settings/config.ts';
import { tempDir } from '../support/temp-dir.ts';
import { readSentence, runTool } from '../support/tools.ts';
import { loadContract } from '../support/verify.ts';

const GIB = 1024 ** 3;
const SAMPLE = {
  name: 'a sample',
  source: 'a test',
  provenance: 'documented',
  recordedAt: '2026-11-28T00:00:00.000Z',
  case: 'sora-2/some-case',
  exchange: 1,
  given: { requestsBefore: 0, submitted: { path: '/api/sora-2/generate', body: { prompt: 'a dog' } } },
  request: { method: 'POST', path: '/api/sora-2/check-status', body: { taskId: 'task_nobody' } },
  response: {
    status: 404,
    contentType: 'application/json',
    headers: { 'x-ratelimit-limit': '100' },
    body: { success: false, errorCode: 'TASK_NOT_FOUND', error: 'Task not found' },
  },
};

/** Creates what a hostile user puts in place of a file. */
const HOSTILE_FILES: Record<string, (path: string) => void | Promise<void>> = {
  'a link to itself': (path) => symlinkSync(path, path),
  'a link to nothing below a file': (path) => symlinkSync('/dev/null/x', path),
  'a link to an endless device': (path) => symlinkSync('/dev/zero', path),
  'a link to a terminal': (path) => symlinkSync('/dev/ptmx', path),
  'a named pipe': (path) => void execFileSync('mkfifo', [path]),
  'a socket': (path) => listenOn(path),
  'a directory': (path) => mkdirSync(path),
  'a huge file': (path) => {
    const fd = openSync(path, 'w');
    ftruncateSync(fd, 4 * GIB);
    closeSync(fd);
  },
  'deeply nested arrays': (path) => writeFileSync(path, `${'['.repeat(2e5)}${']'.repeat(2e5)}`),
  'deeply nested objects': (path) => writeFileSync(path, `${'{"a":'.repeat(2e5)}1${'}'.repeat(2e5)}`),
  'invalid UTF-8': (path) => writeFileSync(path, Buffer.from('{"a":"\xff\xc0"}', 'latin1')),
  'control characters': (path) => writeFileSync(path, '\u001b[31m\u0000\u009b2J'),
  'an empty file': (path) => writeFileSync(path, ''),
  null: (path) => writeFileSync(path, 'null'),
  'an empty list': (path) => writeFileSync(path, '[]'),
};

async function listenOn(path: string): Promise<void> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

const writeSample = (dir: string, name: string, sample: unknown = SAMPLE) => {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), JSON.stringify(sample));
};

/** Everything that reads a file of its user. `run` resolves with the sentence of the error. */
const READERS: Record<string, { file: string; run: (dir: string) => Promise<string | undefined> }> = {
  'import of a file': { file: 'a.json', run: async (dir) => (await runTool('import', join(dir, 'a.json'))).sentence },
  'import of a directory': { file: 'a.json', run: async (dir) => (await runTool('import', dir)).sentence },
  'drift of a directory': { file: 'a.json', run: async (dir) => (await runTool('drift', dir)).sentence },
  'import --seed-file': {
    file: 'accounts.json',
    async run(dir) {
      writeSample(dir, 'b/sample.json');
      return (await runTool('import', join(dir, 'b'), '--seed-file', join(dir, 'accounts.json'))).sentence;
    },
  },
  '--seed-file': {
    file: 'accounts.json',
    run: (dir) => readSentence(() => formatConfig(readConfig({ 'seed-file': join(dir, 'accounts.json') }, {}))),
  },
  'the authority of a data directory': {
    file: 'authority.pem',
    run: (dir) => readSentence(() => readCaCertificate(readConfig({ 'data-dir': dir }, {}))),
  },
  'the database of a data directory': {
    file: 'emulator.sqlite',
    run: (dir) => readSentence(() => openDb({ dataDir: dir, migrationsDir: MIGRATIONS_DIR }).close()),
  },
};
/** Combinations without an error. */
const ALLOWED: Record<string, readonly string[]> = {
  'the database of a data directory': ['an empty file'],
};

describe('hostile files', () => {
  // id: hostile-files-one-sentence
  it.each(Object.keys(READERS))('cause one sentence in %s, at once', async (reader) => {
    const { file, run } = READERS[reader]!;
    for (const [what, make] of Object.entries(HOSTILE_FILES)) {
      const dir = tempDir();
      await make(join(dir, file));
      const sentence = await run(dir);
      const allowed = ALLOWED[reader]?.includes(what) ?? false;
      expect([what, sentence]).toEqual([what, allowed ? undefined : expect.stringMatching(/^\P{Cc}+\.$/u)]);
    }
  });

  it('are left out of the certificates that exec trusts', async () => {
    for (const make of Object.values(HOSTILE_FILES)) {
      const file = join(tempDir(), 'bundle.pem');
      await make(file);
      expect(buildCaBundle('OUR CERTIFICATE', { SSL_CERT_FILE: file })).toContain('OUR CERTIFICATE');
    }
  });
});

describe('hostile directories of recordings', () => {
  // id: recordings-link-loop
  it('may contain a link to themselves, which is not followed', async () => {
    const dir = tempDir();
    writeSample(dir, 'some/sample.json');
    for (const name of ['one', 'two', 'some/three']) symlinkSync(dir, join(dir, name));
    expect(loadSamples(dir).map(({ id }) => id)).toEqual(['some/sample']);
    const { code, stdout } = await runTool('import', dir);
    expect([code, JSON.parse(stdout)]).toEqual([0, [expect.objectContaining({ times: 1 })]]);
  });

  // id: recordings-bounded
  it('are rejected when they have too many entries, bytes or repetitions', async () => {
    const dir = tempDir();
    for (const name of ['a/b/one.json', 'a/b/two.json']) {
      writeSample(dir, name, { ...SAMPLE, given: { requestsBefore: 20, changes: 30 } });
    }
    const limits = { bytes: 5000, entries: 4, repetitions: 100 };
    expect(loadSamples(dir, limits)).toHaveLength(2);
    for (const [stricter, reason] of [
      [{ entries: 3 }, 'has more than 3 files and directories; choose a part of it.'],
      [{ bytes: 700 }, 'has more than 700 bytes of samples; choose fewer of them.'],
      [{ repetitions: 99 }, 'has samples that repeat more than 99 requests; choose fewer of them.'],
    ] as const) {
      expect(await readSentence(() => loadSamples(dir, { ...limits, ...stricter }))).toBe(`${dir} ${reason}`);
    }
  });

  // id: recordings-reach-api-only
  it('are rejected when a request of theirs leaves the API', async () => {
    for (const path of ['/__admin/reset', '@example.com/api/x', '/api/../__admin/reset', '/api/x?y', 7, null]) {
      const samples = [
        { ...SAMPLE, request: { ...SAMPLE.request, path } },
        { ...SAMPLE, given: { submitted: { path, body: {} } } },
      ];
      for (const sample of samples) {
        const dir = tempDir();
        writeSample(dir, 'a.json', sample);
        expect(await readSentence(() => loadSamples(dir))).toContain('path below /api/');
      }
    }
  });
});

describe('hostile recordings', () => {
  const HOSTILE_VALUES: unknown[] = [
    ...[null, true, 0, -1, 1e21, 0.5, '', 'constructor', '__proto__', 'a\u001b[31m\n', '\ud800', 'é€', [], [null], {}],
    { toString: 1, valueOf: 1 },
    { constructor: 1, hasOwnProperty: 1, toJSON: 1 },
    JSON.parse('{"__proto__":{"toString":1}}'),
    ['(a+)+$'],
    'x'.repeat(100_000),
    JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`),
    Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`field${n}`, n])),
  ];
  const { validator } = loadContract();

  /** All paths to a value in the sample. */
  function listPaths(value: unknown, path: string[] = []): string[][] {
    if (typeof value !== 'object' || value === null) return [path];
    return [path, ...Object.entries(value).flatMap(([name, inner]) => listPaths(inner, [...path, name]))];
  }
  function replaceAt(value: unknown, [name, ...rest]: string[], replacement: unknown): unknown {
    if (name === undefined) return replacement;
    return { ...(value as object), [name]: replaceAt((value as Record<string, unknown>)[name], rest, replacement) };
  }

  it('cause one sentence or a difference, whichever field has which value', () => {
    const dir = tempDir();
    const compare = (sample: unknown) => {
      writeFileSync(join(dir, 'a.json'), JSON.stringify(sample));
      for (const loaded of loadSamples(dir)) {
        ruleFromSample(loaded);
        const evidence = { emulated: SAMPLE as unknown as RecordedSample, outcome: undefined, documented: undefined };
        const rows = [true, false].map((hasCase) => compareSample(loaded, { ...evidence, hasCase }, validator));
        const report = { dir, emulator: 'in memory', version: '1', at: 'now', rows };
        expect(formatDriftReport(report, 'human')).not.toMatch(/(?!\n)\p{Cc}/u);
        expect(formatDriftReport(report, 'json')).not.toMatch(/(?!\n)\p{Cc}/u);
      }
    };
    for (const path of listPaths(SAMPLE)) {
      for (const value of HOSTILE_VALUES) {
        try {
          compare(replaceAt(SAMPLE, path, value));
        } catch (error) {
          expect([path, value, String(error)]).toEqual([path, value, expect.stringMatching(/^SetupError: /)]);
        }
      }
    }
    fc.assert(
      fc.property(fc.constantFrom(...listPaths(SAMPLE)), fc.json({ depthSize: 'small' }), (path, json) => {
        try {
          compare(replaceAt(SAMPLE, path, JSON.parse(json)));
        } catch (error) {
          expect(String(error)).toMatch(/^SetupError: /);
        }
      }),
      { numRuns: 300 },
    );
  });

  // id: hostile-recordings-replayed
  it('are replayed without a stack trace', async () => {
    const dir = tempDir();
    const bodies = HOSTILE_VALUES.map((body) => ({ ...SAMPLE, case: undefined, request: { ...SAMPLE.request, body } }));
    const responses = HOSTILE_VALUES.map((body) => ({ ...SAMPLE, response: { ...SAMPLE.response, body } }));
    const given = HOSTILE_VALUES.map((value) => ({
      ...SAMPLE,
      case: undefined,
      given: { credits: value, ended: value, refusal: value, submittedBy: value },
    }));
    for (const [index, sample] of [...bodies, ...responses, ...given].entries()) {
      writeSample(dir, `${index}.json`, sample);
    }
    const { code, stdout } = await runTool('drift', dir);
    expect(code).toBe(1);
    expect(stdout).not.toMatch(/(?!\n)\p{Cc}|^ {4}at /mu);
    expect(stdout.length).toBeLessThan(2_000_000);
  });
});
