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

/** Runs an action and shows its message, or the emulator's error message, as a toast. Returns whether it succeeded. */
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

/** The latest message; screen readers announce changes. */
export function Toast() {
  const { text, isError } = toast.value ?? {};
  return (
    <div class={isError ? 'notice bad' : 'notice'} role="status" data-shown={text !== undefined}>
      {text}
    </div>
  );
}
