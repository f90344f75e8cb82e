import { ControlError, createControl, type Transport } from './client/client.ts';
import type * as declared from './client/entry.ts';

export type * from './client/api.ts';
export { ControlError, connectEmulator } from './client/client.ts';
export type * from './client/types.ts';

export const startEmulator: typeof declared.startEmulator = async (options = {}) => {
  // Types are all that most importers need at once.
  const { startInProcess: start } = await import('./server/start.ts');
  const emulator = await start(options);
  let closing: Promise<void> | undefined;
  function assertOpen(): void {
    if (closing) throw new ControlError('This emulator is closed.', 'EMULATOR_CLOSED', 503);
  }
  const transport: Transport = async (...call) => {
    assertOpen();
    return emulator.transport(...call);
  };
  const close = () => {
    closing ??= emulator.close();
    return closing;
  };
  return {
    ...createControl(transport),
    url: emulator.url,
    port: Number(new URL(emulator.url).port),
    httpsPort: emulator.httpsPort,
    apiKey: emulator.firstKey,
    certificate: async () => {
      assertOpen();
      return emulator.certificate();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
