import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { readCaCertificate } from '../../src/cli/ca.ts';
import { buildCaBundle, environmentFor } from '../../src/cli/exec/environment.ts';
import { exec as runExec } from '../../src/cli/exec/exec.ts';
import { SetupError } from '../../src/core/errors.ts';
import { hasProgram, runCommand } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { execHere } from '../support/exec.ts';
import { tempDir } from '../support/temp-dir.ts';

const HTTPS = 'https://nanophoto.ai';

/** A client of the real service, without any change for the emulator. */
const PYTHON = `
import json, os, urllib.request
def call(path, body):
    request = urllib.request.Request('${HTTPS}' + path, json.dumps(body).encode(), {
        'Authorization': 'Bearer ' + os.environ['NANOPHOTO_API_KEY'], 'Content-Type': 'application/json'})
    with urllib.request.urlopen(request) as response:
        return json.load(response)
task = call('/api/sora-2/generate', {'prompt': 'a cat', 'mode': 'textToVideo'})['taskId']
status = {'status': 'processing'}
while status['status'] == 'processing':
    status = call('/api/sora-2/check-status', {'taskId': task})
with urllib.request.urlopen(status['videoUrl']) as video:
    print(status['status'], video.headers['content-type'], len(video.read()) > 10000)
`;

const NODE = `
const call = async (path, body) => (await fetch('${HTTPS}' + path, { method: 'POST', body: JSON.stringify(body),
  headers: { authorization: 'Bearer ' + process.env.NANOPHOTO_API_KEY, 'content-type': 'application/json' } })).json();
const { taskId } = await call('/api/sora-2/generate', { prompt: 'a cat', mode: 'textToVideo' });
let status = { status: 'processing' };
while (status.status === 'processing') status = await call('/api/sora-2/check-status', { taskId });
const video = await fetch(status.videoUrl);
console.log(status.status, video.headers.get('content-type'), (await video.arrayBuffer()).byteLength > 10000);
`;

const SUBMIT = `
post() { curl -sS "${HTTPS}$1" -H "Authorization: Bearer $NANOPHOTO_API_KEY" -H 'Content-Type: application/json' -d "$2"; }
TASK=$(post /api/sora-2/generate '{"prompt":"a cat","mode":"textToVideo"}' | sed 's/.*"taskId":"\\([^"]*\\)".*/\\1/')
`;
const POLL = `post /api/sora-2/check-status "{\\"taskId\\":\\"$TASK\\"}"`;
const CURL = `${SUBMIT}STATUS=$(${POLL})
echo "$STATUS" | grep -o '"status":"[a-z]*"'
curl -sS -o /dev/null -w '%{http_code} %{content_type}\\n' "$(echo "$STATUS" | sed 's/.*"videoUrl":"\\([^"]*\\)".*/\\1/')"
`;

const CURL_OUTPUT = '"status":"completed"\n200 video/mp4\n';

const hasPython = hasProgram('python3', '--version');
const hasCurl = hasProgram('curl', '--version');

const shell = (script: string) => ['sh', '-euc', script];
const exec = (command: string[], flags: string[] = [], env: Record<string, string> = {}) =>
  runCommand(['exec', ...flags, '--', ...command], env);

describe('exec with an unchanged client of the real service', () => {
  it.skipIf(!hasPython)('redirects Python with urllib, from submit to file', async () => {
    const { code, stdout, stderr } = await execHere(['python3', '-c', PYTHON]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'completed video/mp4 True\n', stderr: '' });
  });

  it('redirects fetch of Node.js', async () => {
    const { code, stdout, stderr } = await exec([process.execPath, '--input-type=module', '-e', NODE]).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'completed video/mp4 true\n', stderr: '' });
  });

  it.skipIf(!hasCurl)('redirects curl', async () => {
    expect(await execHere(shell(CURL))).toEqual({ code: 0, stdout: CURL_OUTPUT, stderr: '' });
  });

  it.skipIf(!hasCurl)('rejects HTTPS requests to other hosts', async () => {
    const { code, stderr } = await execHere(['curl', '-sS', 'https://example.com/'], ['--log-level', 'error']);
    expect(code).toBe(56);
    expect(stderr).toMatch(/403/);
  });
});

describe('exec', () => {
  it.each([
    ['exit 0', 0],
    ['exit 7', 7],
    ['kill -TERM $$', 143],
    ['kill -KILL $$', 137],
  ])('exits with the code of the command: %s', async (script, code) => {
    expect(await execHere(['sh', '-c', script])).toEqual({ code, stdout: '', stderr: '' });
  });

  it('forwards SIGTERM, SIGINT and SIGHUP and waits for the command', async () => {
    const traps = `trap 'echo TERM' TERM; trap 'echo INT' INT; trap 'echo HUP; exit 5' HUP`;
    const script = `${traps}; echo ready; while :; do sleep 0.05; done`;
    // Detached, since a terminal sends some of these signals itself.
    const { child, ended } = runCommand(['exec', '--', 'sh', '-c', script], {}, { detached: true });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      await once(child.stdout, 'data');
      child.kill(signal);
    }
    expect(await ended).toMatchObject({ code: 5, stdout: 'ready\nTERM\nINT\nHUP\n' });
  });

  it('leaves signals to the console on Windows, which sends them to the command too', async () => {
    // A forwarded signal arrives before the line.
    const script = `trap 'exit 5' INT; echo ready; read line; exit 3`;
    const preload = join(tempDir(), 'windows.cjs');
    writeFileSync(
      preload,
      `process.once('SIGINT', () => {
        Object.defineProperty(process, 'platform', { value: 'win32' });
        setImmediate(() => process.stdout.write('handled\\n'));
      });`,
    );
    const env = { NODE_OPTIONS: `--require=${preload}` };
    const { child, ended } = runCommand(['exec', '--', 'sh', '-c', script], env, { detached: true });
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    await once(child.stdout, 'data');
    child.stdin.end('\n');
    expect(await ended).toMatchObject({ code: 3, stdout: 'ready\nhandled\n' });
  });

  it('passes its standard input to the command', async () => {
    const { child, ended } = exec(['cat']);
    child.stdin.end('from outside');
    expect(await ended).toMatchObject({ code: 0, stdout: 'from outside' });
  });

  it('removes its temporary files', async () => {
    const TMPDIR = mkdtempSync(join(tmpdir(), 'exec-'));
    const inside = exec(['sh', '-c', 'ls "$TMPDIR"; cat "$SSL_CERT_FILE" | grep -c BEGIN'], [], { TMPDIR });
    const { stdout } = await inside.ended;
    expect(stdout).toMatch(/^nanophoto-emulator-\w+\n\d{3}\n$/);
    expect(readdirSync(TMPDIR)).toEqual([]);
  });

  it('adds only the documented variables to the environment, and keeps those that it ignores itself', async () => {
    const dir = tempDir();
    const env = {
      OWN: 'own',
      PORT: '1',
      NANOPHOTO_EMULATOR_PORT: '2',
      NANOPHOTO_EMULATOR_HOST: 'example.com',
      NANOPHOTO_EMULATOR_DATA_DIR: join(dir, 'data'),
    };
    const script = `fetch(process.env.NANOPHOTO_API_BASE_URL + '/health').then(async (response) =>
      console.log(JSON.stringify({ health: await response.json(), env: process.env })))`;
    const { code, stdout, stderr } = await exec([process.execPath, '-e', script], [], env).ended;
    expect([code, stderr]).toEqual([0, '']);
    const { health, env: found } = JSON.parse(stdout);
    expect([health, found.NANOPHOTO_API_KEY]).toEqual([{ status: 'ok' }, 'np_test_default']);
    expect(found).toMatchObject(env);
    const proxy = { url: '', key: '', trustFile: '', preloadFile: '' };
    const expected = environmentFor(proxy, { PATH: process.env.PATH, ...env });
    expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
    expect(readdirSync(dir)).toEqual([]);
  });

  it("passes everything after the first '--' to the command", async () => {
    const script = ['-e', 'console.log(process.argv.slice(1).join(" "))', 'first', '--', '--report', '--port'];
    const { code, stdout, stderr } = await execHere([process.execPath, ...script]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'first -- --report --port\n', stderr: '' });
  });

  it.each([
    [['exec'], 'exec needs a command after "--", for example: nanophoto-emulator exec -- python script.py.'],
    [['exec', '--'], 'exec needs a command after "--", for example: nanophoto-emulator exec -- python script.py.'],
    [['exec', 'npm', 'test'], 'exec needs a command after "--", for example: nanophoto-emulator exec -- npm test.'],
    [['exec', '--nonsense', '--', 'true'], 'Unknown flag --nonsense; nanophoto-emulator --help lists the flags.'],
    [['exec', '--data-dir', 'x', '--', 'true'], 'exec keeps everything in memory; leave out --data-dir, or use start.'],
    [['exec', '--clock', 'x', '--', 'true'], '--clock must be real, frozen or auto, not "x".'],
    [
      ['exec', '--report', '--journal-entries', '0', '--', 'true'],
      '--report, --fail-on-verdict and --artifacts need the journal; leave out --journal-entries 0.',
    ],
    [['exec', '--artifacts', '', '--', 'true'], '--artifacts needs a value: the path of a directory.'],
    [['start', '--report'], '--report is only valid with exec; leave it out.'],
    [['start', '--', 'x'], '"--" is only valid with exec; write nanophoto-emulator exec -- x.'],
    [['start', '--'], '"--" is only valid with exec; write nanophoto-emulator exec -- python script.py.'],
  ])('rejects the arguments %j', (args, sentence) => {
    expect(() => readCommand(args, {})).toThrow(new SetupError(sentence));
  });

  it.each([
    [['--', ''], '"" cannot be started: ERR_INVALID_ARG_VALUE.'],
    [['--', '/dev/null/x'], '/dev/null/x cannot be started: ENOTDIR.'],
    [['--', '/dev/null'], '/dev/null cannot be started: it is not executable.'],
    [['--artifacts', '/dev/null', '--', 'echo'], '/dev/null is a file; choose a directory.'],
    [
      ['--artifacts', '/proc/nowhere', '--', 'echo'],
      "/proc/nowhere cannot be written: ENOENT: no such file or directory, mkdir '/proc/nowhere'.",
    ],
    [['--', '/no/such/command'], '/no/such/command cannot be started: command not found.'],
  ])('rejects the command or directory of %j with one sentence', async (args, sentence) => {
    const { config, exec: options } = readCommand(['exec', ...args], { PATH: process.env.PATH! });
    await expect(runExec(config, options!)).rejects.toThrow(new SetupError(sentence));
  });
});

describe.skipIf(!hasCurl)('exec --report', () => {
  it('prints the ledger and the verdict after the output of the command', async () => {
    const { code, stdout, stderr } = await execHere(shell(CURL), ['--report']);
    expect([code, stdout]).toEqual([0, CURL_OUTPUT]);
    expect(stderr).toMatch(/^np_test_default: 3 requests, 996 credits left, 0 held$/m);
    expect(stderr).toMatch(/^ {5}1 grant {5}\+1000 {5}1000 {2}initial credits$/m);
    expect(stderr).toMatch(/^ {5}2 hold {9}-4 {6}996 {2}task_\w{24}$/m);
    expect(stderr).toMatch(/^ {5}3 capture {7}0 {6}996 {2}task_\w{24}$/m);
    expect(stderr).toContain('verdict: no findings');
  });

  it('says that no request arrived', async () => {
    expect(await execHere(['true'], ['--report'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '\nNo request with a known key reached the emulator.\n',
    });
  });

  it('counts unauthorized requests separately', async () => {
    const command = shell(`for key; do
      curl -sS -o /dev/null \${key:+-H "Authorization: Bearer $key"} -H 'Content-Type: application/json' -d '{}' \\
        ${HTTPS}/api/sora-2/check-status
      done`);
    const onlyUnauthorized = await execHere([...command, 'sh', 'sk_live', ''], ['--report']);
    const unauthorized = '2 requests with an unknown or missing key got 401.\n';
    expect(onlyUnauthorized.stderr).toBe(`\nNo request with a known key reached the emulator.\n${unauthorized}`);
    const { stderr } = await execHere([...command, 'sh', 'sk_live', 'np_test_default', ''], ['--report']);
    expect(stderr).toMatch(/^np_test_default: 1 request, /m);
    expect(stderr.endsWith(`\n${unauthorized}`)).toBe(true);
  });

  it('exits with 1 for findings with --fail-on-verdict', async () => {
    const pollsOn = `${CURL}${POLL}\n`;
    expect((await execHere(shell(pollsOn))).code).toBe(0);
    const { code, stderr } = await execHere(shell(pollsOn), ['--fail-on-verdict']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/POLLED_AFTER_END: Task task_\w+ was polled after .+\. Requests \d\.$/m);
    expect(await execHere(shell(CURL), ['--fail-on-verdict'])).toEqual({ code: 0, stdout: CURL_OUTPUT, stderr: '' });
    expect((await execHere(shell(`${pollsOn}exit 9`), ['--fail-on-verdict'])).code).toBe(9);
  });

  it('works with an admin token', async () => {
    const { stderr } = await execHere(['true'], ['--report', '--admin-token', 'abcdefgh']);
    expect(stderr).toBe('\nNo request with a known key reached the emulator.\n');
  });
});

describe.skipIf(!hasCurl)('exec --artifacts', () => {
  it('writes them when the command ends, and keeps its exit code', async () => {
    const dir = join(tempDir(), 'made/artifacts');
    const { code, stderr } = await execHere(shell(`${CURL}exit 9`), ['--artifacts', dir]);
    expect([code, stderr]).toEqual([9, `nanophoto-emulator: Artifacts of 1 account are in ${dir}.\n`]);
    expect(readdirSync(dir)).toEqual(['np_test_default']);
    expect(readdirSync(join(dir, 'np_test_default')).sort()).toEqual(['account.json', 'requests.har', 'summary.md']);
    const { requests, tasks, verdict } = JSON.parse(readFileSync(join(dir, 'np_test_default/account.json'), 'utf8'));
    expect([requests.length, tasks[0].status, verdict.ok]).toEqual([3, 'completed', true]);
    const { log } = JSON.parse(readFileSync(join(dir, 'np_test_default/requests.har'), 'utf8'));
    expect(log.entries[0].request.url).toBe(`${HTTPS}/api/sora-2/generate`);
  });

  it('writes them when a signal ends the command', async () => {
    const dir = tempDir();
    const command = shell(`${SUBMIT}echo waits; exec sleep 1000`);
    const { child, ended } = exec(command, ['--artifacts', dir, '--admin-token', 'very-secret']);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(128 + 15);
    expect(readdirSync(dir)).toEqual(['np_test_default']);
  });

  it('writes none for accounts without requests', async () => {
    const dir = tempDir();
    const { code, stderr } = await execHere(['true'], ['--artifacts', dir, '--report']);
    expect([code, stderr.split('\n')[0]]).toEqual([0, `nanophoto-emulator: Artifacts of 0 accounts are in ${dir}.`]);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('only warns when they cannot be written at the end', async () => {
    const dir = tempDir();
    const command = shell(`${CURL}touch "$0/np_test_default"`);
    const { code, stdout, stderr } = await execHere([...command, dir], ['--artifacts', dir]);
    expect([code, stdout]).toEqual([0, CURL_OUTPUT]);
    expect(stderr).toContain('nanophoto-emulator: Artifacts cannot be written: ');
  });
});

describe('environment of the command of exec', () => {
  const proxy = { url: 'http://127.0.0.1:1', key: 'k', trustFile: '/t', preloadFile: '/a b/preload.cjs' };

  it.each([
    ['', 'localhost,127.0.0.1,::1'],
    ['*', 'localhost,127.0.0.1,::1'],
    ['nanophoto.ai', 'localhost,127.0.0.1,::1'],
    ['.nanophoto.ai, *.nanophoto.ai,api.nanophoto.ai:443', 'localhost,127.0.0.1,::1'],
    ['foo nanophoto.ai', 'foo,localhost,127.0.0.1,::1'],
    ['nanophoto.ai.', 'localhost,127.0.0.1,::1'],
    ['NanoPhoto.AI', 'localhost,127.0.0.1,::1'],
    ['ai,.ai', 'localhost,127.0.0.1,::1'],
    ['minio.local,10.0.0.0/8', 'minio.local,10.0.0.0/8,localhost,127.0.0.1,::1'],
    ['notnanophoto.ai,localhost', 'notnanophoto.ai,localhost,127.0.0.1,::1'],
  ])('keeps the hosts in NO_PROXY except for the vendor: %j', (NO_PROXY, expected) => {
    const made = environmentFor(proxy, { NO_PROXY });
    expect([made.NO_PROXY, made.no_proxy]).toEqual([expected, expected]);
    expect(environmentFor(proxy, { no_proxy: NO_PROXY }).NO_PROXY).toBe(expected);
  });

  it('keeps other variables, including HTTP_PROXY and NODE_OPTIONS', () => {
    const made = environmentFor(proxy, {
      HOME: '/home',
      HTTP_PROXY: 'http://p',
      NODE_OPTIONS: '--no-warnings',
    });
    expect(made).toMatchObject({ HOME: '/home', HTTP_PROXY: 'http://p' });
    expect(made.NODE_OPTIONS).toBe('--no-warnings --require="/a b/preload.cjs"');
  });

  it('sets all variables for the proxy, the certificate and the emulator', () => {
    const { NO_PROXY, no_proxy, NODE_OPTIONS, ...made } = environmentFor(proxy, {});
    expect(made).toEqual({
      NANOPHOTO_API_BASE_URL: 'http://127.0.0.1:1',
      NANOPHOTO_API_KEY: 'k',
      HTTPS_PROXY: 'http://127.0.0.1:1',
      https_proxy: 'http://127.0.0.1:1',
      SSL_CERT_FILE: '/t',
      CURL_CA_BUNDLE: '/t',
      REQUESTS_CA_BUNDLE: '/t',
      NODE_EXTRA_CA_CERTS: '/t',
      DENO_CERT: '/t',
      NODE_USE_ENV_PROXY: '1',
    });
    expect(NODE_OPTIONS).toBe('--require="/a b/preload.cjs"');
  });

  it.each(['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', 'CURL_CA_BUNDLE', 'REQUESTS_CA_BUNDLE', 'DENO_CERT'])(
    'adds our certificate to the one in %s and the root certificates',
    (name) => {
      const own = join(tempDir(), 'own.pem');
      writeFileSync(own, 'OWN');
      const trusted = buildCaBundle('OURS', { [name]: own });
      expect(trusted).toMatch(/^OURS\nOWN\n-----BEGIN CERTIFICATE-----/);
      expect(trusted.match(/BEGIN CERTIFICATE/g)).toHaveLength(rootCertificates.length);
    },
  );

  it('reads each certificate file once, and skips missing files', () => {
    const own = join(tempDir(), 'own.pem');
    writeFileSync(own, 'OWN');
    const env = { SSL_CERT_FILE: own, CURL_CA_BUNDLE: own, NODE_EXTRA_CA_CERTS: '/nowhere' };
    expect(buildCaBundle('OURS', env).match(/OWN/g)).toHaveLength(1);
  });
});

describe('ca', () => {
  it('prints the certificate of a running emulator', async () => {
    const url = await serveEmulator();
    const { port } = new URL(url);
    const { code, stdout } = await runCommand(['ca', '--port', port]).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^-----BEGIN CERTIFICATE-----\n[\w+/=\n]+-----END CERTIFICATE-----\n$/);
    expect(await (await fetch(`${url}/ca.pem`)).text()).toBe(stdout.trimEnd());
  });

  it('prints the certificate of a data directory, and creates it if there is none', async () => {
    const dir = join(tempDir(), 'new');
    const { code, stdout, stderr } = await runCommand(['ca', '--data-dir', dir]).ended;
    expect([code, stderr]).toEqual([0, '']);
    const { config } = readCommand(['ca', '--data-dir', dir], {});
    expect((await readCaCertificate(config)).trimEnd()).toBe(stdout.trimEnd());
    expect(stdout).not.toContain('PRIVATE');
  });

  it('is rejected with one sentence when no emulator responds', async () => {
    const { config } = readCommand(['ca', '--port', '1'], {});
    const error = await readCaCertificate(config).catch((reason) => reason);
    expect(error).toBeInstanceOf(SetupError);
    expect(error.message).toMatch(/^No emulator responds at http:\/\/127\.0\.0\.1:1\/ca\.pem; .*\.$/);
  });
});
