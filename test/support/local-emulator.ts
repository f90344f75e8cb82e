import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { openEmulator } from '../../src/server/emulator.ts';

/**
 * Starts an emulator with the flags of the command in this process, until the test ends. Takes a fraction of the CPU
 * time of `startCommand`: use it where the emulator's own process is not what is tested.
 */
export async function startLocalEmulator(args: string[] = []): Promise<{ url: string; port: string }> {
  const { config } = readCommand(['--port', '0', ...args], {});
  const emulator = await openEmulator(config, pino({ level: 'silent' }));
  onTestFinished(() => emulator.close());
  const url = await emulator.listen();
  return { url, port: new URL(url).port };
}
