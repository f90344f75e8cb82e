import { createControl } from './client/control.ts';
import type * as declared from './client/public.ts';

export { ControlError, connectEmulator } from './client/control.ts';
export type * from './client/interface.ts';
export type * from './client/types.ts';

export const startEmulator: typeof declared.startEmulator = async (options = {}) => {
  // Types are all that most importers need at once.
  const { open } = await import('./library.ts');
  const emulator = await open(options);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= emulator.close();
    return closing;
  };
  return {
    ...createControl(emulator.transport),
    url: emulator.url,
    port: Number(new URL(emulator.url).port),
    apiKey: emulator.firstKey,
    certificate: emulator.certificate,
    close,
    [Symbol.asyncDispose]: close,
  };
};
