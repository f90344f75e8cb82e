import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reportMissing, succeeds } from './programs.ts';

const PYTHON_PACKAGE = join(import.meta.dirname, '../../python');
const SUPPORTED = 'import sys, pytest; assert sys.version_info >= (3, 9) and pytest.version_tuple >= (7,)';

/** A Python with pytest: the first one on PATH, or else the one of the system. Undefined if there is none. */
const PYTHON = ['python3', '/usr/bin/python3'].find((python) => succeeds(python, '-c', SUPPORTED));
export const NO_PYTEST = PYTHON === undefined;
if (NO_PYTEST) reportMissing('pytest');
export const NO_PYTEST_REASON = 'no python3 with pytest 7 or later is installed';

/** Runs pytest in a folder with our plugin, without installing it. Returns the output, also if tests fail. */
export async function runPytest(cwd: string, args: readonly string[] = []): Promise<string> {
  const env = {
    PATH: process.env.PATH!,
    HOME: process.env.HOME!,
    PYTHONPATH: join(PYTHON_PACKAGE, 'src'),
    PYTHONDONTWRITEBYTECODE: '1',
  };
  // The plugin of hypothesis, where it is installed, loads hypothesis at the end of each run, which takes a second.
  const plugins = ['no:cacheprovider', 'no:hypothesispytest', 'nanophoto_emulator_pytest.plugin'].flatMap((name) => [
    '-p',
    name,
  ]);
  return promisify(execFile)(PYTHON!, ['-m', 'pytest', '-q', ...plugins, ...args], { cwd, env }).then(
    ({ stdout }) => stdout,
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  );
}
