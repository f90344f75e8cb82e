import { ControlError, createControl, type Transport } from './client/client.ts';
import type * as declared from './client/entry.ts';
import { lazy } from './core/file-descriptors.ts';

export type * from './client/api.ts';
export { ControlError } from './client/client.ts';
export { connectEmulator } from './client/connect.ts';
export type * from './client/types.ts';

/** `vm` contexts lack `Symbol.asyncDispose` before Node.js 24; code compiled by esbuild then looks for this symbol. */
const ASYNC_DISPOSE: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

/** Loaded on demand: a module that only connects to a running emulator does not need the server. */
const loadServer = lazy(() => import('./server/start.ts'));

export const startEmulator: typeof declared.startEmulator = async (options = {}) => {
  const { startInProcess } = await loadServer();
  const emulator = await startInProcess(options);
  let closing: Promise<void> | undefined;
  function assertOpen(): void {
    if (closing) throw new ControlError('This emulator is closed.', 'EMULATOR_CLOSED', 503);
  }
  const transport: Transport = async (...request) => {
    assertOpen();
    return emulator.transport(...request);
  };
  const close = () => {
    closing ??= emulator.close();
    return closing;
  };
  return {
    ...createControl(transport),
    url: emulator.url,
    port: emulator.port,
    httpsPort: emulator.httpsPort,
    apiKey: emulator.firstKey,
    certificate: async () => {
      assertOpen();
      return emulator.certificate();
    },
    close,
    [ASYNC_DISPOSE]: close,
  };
};
