import { describe, expect, it } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { readError } from '../support/read-error.ts';

describe('arguments', () => {
  it('rejects unknown flags, missing values and unexpected values', () => {
    expect(readError(['--nonsense'])).toBe('Unknown flag --nonsense; nanophoto-emulator --help lists the flags.');
    expect(readError(['-x'])).toContain('Unknown flag -x');
    expect(readError(['--speed'])).toBe('--speed needs a value: a number from 0.000001 to 1000000.');
    expect(readError(['--port', '--speed', '1'])).toContain('--port needs a value');
    expect(readError(['--help=yes'])).toBe('--help takes no value.');
    expect(readError(['start', 'now'])).toContain('Unexpected "now" after "start"');
  });
});

describe('flags of one command', () => {
  it('are rejected for other commands, and read for their own', () => {
    expect(readError(['--report'])).toBe('--report is only valid with exec; leave it out.');
    expect(readError(['exec', '--detach', '--', 'true'])).toBe('--detach is only valid with start; leave it out.');
    expect(readError(['stop', '--proxy'])).toBe('--proxy is only valid with env; leave it out.');
    expect(readError(['healthcheck', '--timeout-ms', '1'])).toBe('--timeout-ms is only valid with wait; leave it out.');
    expect(readCommand(['--detach'], {})).toMatchObject({ name: 'start', detach: true });
    expect(readCommand(['env', '--proxy'], {})).toMatchObject({ name: 'env', proxy: true });
    expect(readCommand(['wait'], {})).toMatchObject({ name: 'wait', timeoutMs: 30_000 });
    expect(readCommand(['wait', '--timeout-ms', '0'], {})).toMatchObject({ timeoutMs: 0 });
  });

  it('include a timeout, which must be a whole number', () => {
    const expected = 'a whole number from 0 to 999999999';
    for (const value of ['', '1s', '-1', '1.5', '1000000000']) {
      expect(readError(['wait', `--timeout-ms=${value}`])).toBe(`--timeout-ms must be ${expected}, not "${value}".`);
    }
    expect(readError(['wait', '--timeout-ms'])).toBe(`--timeout-ms needs a value: ${expected}.`);
  });
});

describe('wait, stop and env', () => {
  it.each(['wait', 'stop', 'env'])('%s takes the default port, and rejects port 0', (name) => {
    expect(readCommand([name], {}).config.port).toBe(6266);
    expect(readCommand([name], { NANOPHOTO_EMULATOR_PORT: '7000' }).config.port).toBe(7000);
    const sentence = 'needs the port of a running emulator; write --port and the port that start printed.';
    expect(readError([name, '--port', '0'])).toBe(`${name} ${sentence}`);
  });
});

describe('settings of exec', () => {
  const exec = (flags: string[] = [], env: Record<string, string> = {}) =>
    readCommand(['exec', ...flags, '--', 'true'], env);

  it('default to a free port, memory, the automatic clock and a large journal', () => {
    const { port, httpsPort, dataDir, clock, logLevel, journalEntries } = exec().config;
    expect({ port, httpsPort, dataDir, clock, logLevel, journalEntries }).toEqual({
      port: 0,
      httpsPort: undefined,
      dataDir: undefined,
      clock: 'auto',
      logLevel: 'warn',
      journalEntries: 100_000,
    });
  });

  it.each([
    ['PORT', '8080'],
    ['NANOPHOTO_EMULATOR_PORT', '8080'],
    ['NANOPHOTO_EMULATOR_HTTPS_PORT', '8443'],
    ['NANOPHOTO_EMULATOR_HOST', '0.0.0.0'],
    ['NANOPHOTO_EMULATOR_DATA_DIR', '/data'],
  ])('ignore %s, which may be meant for another emulator', (name, value) => {
    const read = exec([], { [name]: value });
    expect(read.config).toEqual(exec().config);
    // It may be meant for the command.
    expect(read.exec!.env).toEqual({ [name]: value });
  });

  it('come from flags, then from the environment', () => {
    const env = { NANOPHOTO_EMULATOR_CLOCK: 'real', NANOPHOTO_EMULATOR_SPEED: '2' };
    expect(exec([], env).config).toMatchObject({ clock: 'real', speed: 2 });
    const flags = ['--clock', 'frozen', '--host', '0.0.0.0', '--port', '1', '--https-port', '2'];
    expect(exec(flags, env).config).toMatchObject({
      clock: 'frozen',
      host: '0.0.0.0',
      port: 1,
      httpsPort: 2,
    });
  });

  it("end at the first '--'", () => {
    const { exec } = readCommand(['exec', '--report', '--', 'run', '--fail-on-verdict', '--', '--port'], {});
    expect(exec).toEqual({
      command: ['run', '--fail-on-verdict', '--', '--port'],
      env: {},
      report: true,
      failOnVerdict: false,
      recording: undefined,
    });
  });

  const readRecording = (...flags: string[]) =>
    readCommand(['exec', '--record', 'dir', ...flags, '--', 'true'], {}).exec!.recording;

  it('include those of a recording, which may not cost anything by default', () => {
    expect(readRecording('--upstream', 'https://nanophoto.ai')).toEqual({
      ...{ dir: 'dir', upstream: 'https://nanophoto.ai', spend: 0, recordFiles: false },
    });
    expect(readRecording('--upstream', 'http://localhost:80/', '--spend', '12', '--record-files')).toEqual({
      ...{ dir: 'dir', upstream: 'http://localhost', spend: 12, recordFiles: true },
    });
  });

  it.each([
    [['--record', 'dir'], '--record needs the service to record; write --upstream https://nanophoto.ai.'],
    [['--upstream', 'https://nanophoto.ai'], '--upstream needs --record and a directory for the recorded samples.'],
    [['--spend', '1'], '--spend needs --record and a directory for the recorded samples.'],
    [['--record-files'], '--record-files needs --record and a directory for the recorded samples.'],
    [['--record'], '--record needs a value: the path of a directory.'],
    [['--record='], '--record needs a value: the path of a directory.'],
  ])('of a recording are rejected if one is missing: %s', (flags, message) => {
    expect(readError(['exec', ...flags, '--', 'true'])).toBe(message);
  });

  it.each([
    [['--spend', '1.5'], '--spend must be a whole number of credits from 0 to 999999999, not "1.5".'],
    [['--clock', 'real'], '--clock is for an emulator, which exec --record does not start; leave it out.'],
    [['--report'], '--report is for an emulator, which exec --record does not start; leave it out.'],
  ])('of a recording are rejected if they do not fit: %s', (flags, message) => {
    const argv = ['exec', '--record', 'dir', '--upstream', 'https://nanophoto.ai', ...flags, '--', 'true'];
    expect(readError(argv)).toBe(message);
  });

  it.each([
    ...[
      'http://nanophoto.ai',
      'https://nanophoto.al',
      'https://nanophoto.ai.example.com',
      'https://video.nanophoto.ai',
    ],
    ...[
      'https://nanophoto.ai:8443',
      'https://nanophoto.ai/api',
      'https://me:secret@nanophoto.ai',
      'http://10.0.0.1:80',
    ],
    ...['nanophoto.ai', 'ftp://localhost', 'http://localhost.example.com', ''],
  ])('of a recording are rejected for another service, which would get the key: %s', (upstream) => {
    expect(readError(['exec', '--record', 'dir', '--upstream', upstream, '--', 'true'])).toBe(
      '--upstream must be https://nanophoto.ai or the URL of a server on this machine, such as http://127.0.0.1:6266.',
    );
  });

  it('of a recording are rejected if the proxy would forward requests to itself', () => {
    const flags = ['--upstream', 'http://127.0.0.1:7000', '--port', '7000'];
    expect(readError(['exec', '--record', 'dir', ...flags, '--', 'true'])).toBe(
      '--upstream and --port name the same port; leave out --port.',
    );
  });
});
