import { signal } from '@preact/signals';
import { Refusal } from '../state/api.ts';
import { after } from '../time.ts';

const SHOWN_MS = 6000;

const notice = signal<{ text: string; isBad: boolean } | undefined>(undefined);
let forget = () => {};

export function tell(text: string, isBad = false): void {
  notice.value = { text, isBad };
  forget();
  forget = after(SHOWN_MS, () => {
    notice.value = undefined;
  });
}

/** Does something and tells what has come of it, or the emulator's own words when it refuses. */
export async function act(work: () => Promise<string>): Promise<boolean> {
  try {
    tell(await work());
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(error.message, true);
    return false;
  }
}

/** What was done last, read aloud when it changes. */
export function Notice() {
  const { text, isBad } = notice.value ?? {};
  return (
    <div class={isBad ? 'notice bad' : 'notice'} role="status" data-shown={text !== undefined}>
      {text}
    </div>
  );
}
