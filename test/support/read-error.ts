import { expect } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { SetupError } from '../../src/core/errors.ts';

/** Returns the sentence with which these arguments and this environment are rejected. */
export function readError(argv: string[], env: Record<string, string> = {}): string {
  try {
    readCommand(argv, env);
  } catch (error) {
    expect(error).toBeInstanceOf(SetupError);
    return (error as Error).message;
  }
  throw new Error('no error was thrown');
}
