import { vi } from 'vitest';
import { runDrift } from '../../src/cli/drift.ts';
import { runImport } from '../../src/cli/import.ts';
import { runOpen } from '../../src/cli/open.ts';
import { runState } from '../../src/cli/state.ts';
import { runVerify } from '../../src/cli/verify.ts';
import { toPrintableLine } from '../../src/core/control-chars.ts';
import { SetupError } from '../../src/core/errors.ts';

const TOOLS = { verify: runVerify, drift: runDrift, import: runImport, state: runState, open: runOpen };

/** Runs a tool in this process, as the command does. Rejects with any error for which the command prints a stack. */
export async function runTool(name: keyof typeof TOOLS, ...args: string[]) {
  const [stdout, stderr] = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockReturnValue(true),
  );
  const exitCodeBefore = process.exitCode;
  process.exitCode = undefined;
  try {
    const sentence = await readSentence(() => TOOLS[name](args, {}));
    const code = sentence === undefined ? (process.exitCode ?? 0) : 2;
    return { code, sentence, stdout: textOf(stdout!), stderr: textOf(stderr!) };
  } finally {
    process.exitCode = exitCodeBefore;
    stdout!.mockRestore();
    stderr!.mockRestore();
  }
}

/** Runs a tool in this process. Returns what its command prints, and the exit code. */
export async function runToolCommand(name: keyof typeof TOOLS, ...args: string[]) {
  const { code, sentence, stdout, stderr } = await runTool(name, ...args);
  return { code, stdout, stderr: sentence === undefined ? stderr : `${stderr}nanophoto-emulator: ${sentence}\n` };
}

/** Returns the sentence that the command prints for a setup error. Undefined: there was none. */
export async function readSentence(run: () => unknown): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return toPrintableLine(error.message);
  }
}

const textOf = ({ mock }: { mock: { calls: unknown[][] } }) => mock.calls.map(([text]) => String(text)).join('');
