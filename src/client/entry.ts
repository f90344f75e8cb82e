import type { RunningEmulator } from './api.ts';
import type { StartOptions } from './types.ts';

// What `import 'nanophoto-emulator'` is, for who reads its types: these lines and what they name become its declarations.

export type * from './api.ts';
export { ControlError, connectEmulator } from './client.ts';
export type * from './types.ts';

/**
 * Starts an emulator in this process: in memory, on a free port, silent, where nothing else is said.
 * @throws Error with one sentence that says which option is wrong, or why it cannot be started
 */
export declare function startEmulator(options?: StartOptions): Promise<RunningEmulator>;
