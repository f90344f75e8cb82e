import { execFile } from 'node:child_process';
import { promisify, stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram, MAIN } from '../support/command.ts';

const hasPython = hasProgram('python3', '-c', 'import pty');
const KEYS = { 'Ctrl-C': ['\x03', '^C'], 'Ctrl-\\': ['\x1c', '^\\'] } as const;
const PRESSES = 5;

/** Runs a command in a terminal, presses a key and ends it. Prints the number of caught signals and the exit code. */
const IN_TERMINAL = `
import os, pty, signal, sys
stdin, key, echo = sys.argv[1], sys.argv[2].encode(), sys.argv[3].encode()
pid, terminal = pty.fork()
if pid == 0:
    if stdin != 'terminal':
        os.dup2(os.open(stdin, os.O_RDONLY), 0)
    os.execv(sys.argv[4], sys.argv[4:])
output = b''
def read_until(word, times=1):
    global output
    while output.count(word) < times:
        chunk = os.read(terminal, 1024)
        if not chunk:
            raise EOFError(output)
        output += chunk
read_until(b'ready')
for press in range(${PRESSES}):
    os.write(terminal, key)
    # The terminal echoes a key after it has sent the signal.
    read_until(echo, press + 1)
    # A signal that exec forwards arrives before these.
    for more in 1, 2:
        os.kill(pid, signal.SIGUSR2)
        read_until(b'usr2', 2 * press + more)
os.kill(pid, signal.SIGTERM)
read_until(b'ended')
print(output.count(b'caught'), os.WEXITSTATUS(os.waitpid(pid, 0)[1]))
`;

const PROGRAM = `
import os, signal
words = {signal.SIGINT: b'caught', signal.SIGQUIT: b'caught', signal.SIGUSR2: b'usr2', signal.SIGTERM: b'ended'}
signal.pthread_sigmask(signal.SIG_BLOCK, words)
received = None
os.write(1, b'ready\\n')
while received != signal.SIGTERM:
    received = signal.sigwait(words)
    os.write(1, words[received] + b'\\n')
os._exit(7)
`;
const COMMAND = ['python3', '-c', PROGRAM];
/** Runs in another session, so that it only catches signals that exec forwards. */
const DETACHED_COMMAND = ['python3', '-c', `import os; os.setsid()${PROGRAM}`];

async function countSignals(key: keyof typeof KEYS, stdin: string, command: string[]): Promise<string> {
  const args = ['-c', IN_TERMINAL, stdin, ...KEYS[key], process.execPath, MAIN, 'exec', '--', ...command];
  const env = { PATH: process.env.PATH! };
  return (await promisify(execFile)('python3', args, { env, timeout: 20_000 })).stdout;
}

describe.skipIf(!hasPython)('exec in a terminal', () => {
  it.each([
    ['Ctrl-C', 'terminal'],
    ['Ctrl-C', '/dev/null'],
    ['Ctrl-\\', 'terminal'],
  ] as const)(
    'does not forward the signal of %s, which the terminal sends itself, with input from %s',
    async (key, stdin) => {
      expect(await countSignals(key, stdin, COMMAND)).toBe(`${PRESSES} 7\n`);
      expect(await countSignals(key, stdin, DETACHED_COMMAND)).toBe('0 7\n');
    },
  );
});

/** Starts the emulator in a terminal and prints what it writes until the line about its data. */
const READY_MESSAGE = `
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
output = b''
while b'data ' not in output:
    output += os.read(terminal, 4096)
os.kill(pid, signal.SIGKILL)
sys.stdout.buffer.write(output)
`;

describe.skipIf(!hasPython)('the emulator in a terminal', () => {
  it('prints its URL, the console, the first key, the admin token and where its data is, one per line', async () => {
    const args = ['-c', READY_MESSAGE, process.execPath, MAIN, '--port', '0', '--https-port', '0', '--host', '0.0.0.0'];
    const { stdout } = await promisify(execFile)('python3', args, {
      env: { PATH: process.env.PATH! },
      timeout: 20_000,
    });
    const lines = stripVTControlCharacters(stdout).trimEnd().split(/\r?\n/);
    const [, url] = /INFO: ready at (http:\S+)$/.exec(lines[0]!)!;
    expect(lines.slice(1).map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['console', `${url}/console`],
      ['https port', expect.stringMatching(/^\d+$/)],
      ['first key', 'np_test_default'],
      ['admin token', expect.stringMatching(/^[0-9a-f]{32}$/)],
      ['data', 'in memory'],
    ]);
  });
});
