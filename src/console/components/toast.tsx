import { signal } from '@preact/signals';
import { ApiError } from '../state/api.ts';
import { schedule } from '../time.ts';

const TOAST_DURATION_MS = 6000;

const toast = signal<{ text: string; isError: boolean } | undefined>(undefined);
let cancelHide = () => {};

export function showToast(text: string, isError = false): void {
  toast.value = { text, isError };
  cancelHide();
  cancelHide = schedule(TOAST_DURATION_MS, () => {
    toast.value = undefined;
  });
}

/** Does something and tells what has come of it, or the emulator's own words when it refuses. */
export async function runAction(work: () => Promise<string>): Promise<boolean> {
  try {
    showToast(await work());
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showToast(error.message, true);
    return false;
  }
}

/** What was done last, read aloud when it changes. */
export function Toast() {
  const { text, isError } = toast.value ?? {};
  return (
    <div class={isError ? 'notice bad' : 'notice'} role="status" data-shown={text !== undefined}>
      {text}
    </div>
  );
}
