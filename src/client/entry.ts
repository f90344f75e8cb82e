import type { RunningEmulator } from './api.ts';
import type { StartOptions } from './types.ts';

// The type declarations of the package are generated from this file and its imports.

export type * from './api.ts';
export { ControlError } from './client.ts';
export { connectEmulator } from './connect.ts';
export type * from './types.ts';

/**
 * Starts an emulator in this process: by default in memory, on a free port and without logs.
 * @throws Error when an option is invalid or the emulator cannot start; the message says which and why
 */
export declare function startEmulator(options?: StartOptions): Promise<RunningEmulator>;
