import type { AccountControl } from '../client/api.ts';
import type { LedgerEntry } from '../client/types.ts';
import { excerpt, Mismatch } from './case-errors.ts';
import type { HttpResponse } from './http-client.ts';

/** Whether a poll says that the task is still in progress. */
export const isInProgress = ({ status, body }: HttpResponse): boolean =>
  status === 200 && ['processing', 'pending', 'generating'].includes(body?.status);

export const describeResponse = ({ status, text }: HttpResponse) => `${status} ${excerpt(text)}`;

/** @throws Mismatch unless the response is this error */
export function assertRefused(response: HttpResponse, status: number, code: string): void {
  if (response.status === status && response.body?.errorCode === code) return;
  throw new Mismatch(`${status} ${code}`, describeResponse(response));
}

/** @throws Mismatch unless the request was accepted */
export function assertAccepted(response: HttpResponse): void {
  if (response.status !== 200) throw new Mismatch('200', describeResponse(response));
}

/** @throws Mismatch unless this account was charged this many credits since its creation */
export async function assertCharged(account: AccountControl, price: number): Promise<void> {
  const { entries, balance } = await account.ledger();
  const granted = entries.find(({ kind }) => kind === 'grant')?.amount ?? 0;
  if (granted - balance !== price) throw new Mismatch(`${price} credits charged`, `${granted - balance}`);
}

/** @throws Mismatch unless the ledger has entries of these kinds, in this order */
export function assertEntryKinds({ entries }: { entries: LedgerEntry[] }, kinds: string[]): void {
  const actual = entries.map(({ kind }) => kind).join(', ');
  if (actual !== kinds.join(', ')) throw new Mismatch(`the entries ${kinds.join(', ')}`, actual);
}
