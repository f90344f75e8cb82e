import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram, MAIN } from '../support/command.ts';

const hasPython = hasProgram('python3', '-c', 'import pty');
const KEYS = { 'Ctrl-C': ['\x03', '^C'], 'Ctrl-\\': ['\x1c', '^\\'] } as const;
const PRESSES = 5;

/** Runs a command in a terminal, presses a key there, ends it: how often it caught the key, and its exit code. */
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
        piece = os.read(terminal, 1024)
        if not piece:
            raise EOFError(output)
        output += piece
read_until(b'ready')
for press in range(${PRESSES}):
    os.write(terminal, key)
    # The terminal shows a key when it has sent its signal.
    read_until(echo, press + 1)
    # What is passed on of it comes before these.
    for more in 1, 2:
        os.kill(pid, signal.SIGUSR2)
        read_until(b'told', 2 * press + more)
os.kill(pid, signal.SIGTERM)
read_until(b'ended')
print(output.count(b'caught'), os.WEXITSTATUS(os.waitpid(pid, 0)[1]))
`;

const COMMAND = [
  process.execPath,
  '-e',
  `for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => console.log('caught'));
  process.on('SIGUSR2', () => console.log('told'));
  process.on('SIGTERM', () => { console.log('ended'); process.exit(7); });
  setInterval(() => {}, 1000);
  console.log('ready');`,
];
/** Out of the terminal's reach: what this one catches, exec has passed on. */
const AWAY = ['python3', '-c', 'import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])', ...COMMAND];

async function caught(key: keyof typeof KEYS, stdin: string, command: string[]): Promise<string> {
  const args = ['-c', IN_TERMINAL, stdin, ...KEYS[key], process.execPath, MAIN, 'exec', '--', ...command];
  const env = { PATH: process.env.PATH! };
  return (await promisify(execFile)('python3', args, { env, timeout: 20_000 })).stdout;
}

describe.skipIf(!hasPython)('exec in a terminal', () => {
  it.each([
    ['Ctrl-C', 'terminal'],
    ['Ctrl-C', '/dev/null'],
    ['Ctrl-\\', 'terminal'],
  ] as const)('leaves it to the terminal to send %s to the command, with input from %s', async (key, stdin) => {
    expect(await caught(key, stdin, COMMAND)).toBe(`${PRESSES} 7\n`);
    expect(await caught(key, stdin, AWAY)).toBe('0 7\n');
  });
});

/** Starts the emulator in a terminal and tells its first line. */
const FIRST_LINE = `
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
output = b''
while b'\\n' not in output:
    output += os.read(terminal, 4096)
os.kill(pid, signal.SIGKILL)
sys.stdout.buffer.write(output)
`;

describe.skipIf(!hasPython)('the emulator in a terminal', () => {
  it('tells where it is, and where to look at it', async () => {
    const args = ['-c', FIRST_LINE, process.execPath, MAIN, '--port', '0'];
    const { stdout } = await promisify(execFile)('python3', args, {
      env: { PATH: process.env.PATH! },
      timeout: 20_000,
    });
    const [, url] = /ready at (http:\S+) /.exec(stdout)!;
    expect(stdout).toContain(`console at ${url}/console`);
  });
});
