import type { AccountControl } from '../client/api.ts';
import type { LedgerEntry } from '../client/types.ts';
import { Mismatch } from './case-errors.ts';

/** So many credits, since the account was made. @throws Differs */
export async function assertCharged(account: AccountControl, price: number): Promise<void> {
  const { entries, balance } = await account.ledger();
  const granted = entries.find(({ kind }) => kind === 'grant')?.amount ?? 0;
  if (granted - balance !== price) throw new Mismatch(`${price} credits taken`, `${granted - balance}`);
}

/** @throws Differs */
export function assertEntryKinds({ entries }: { entries: LedgerEntry[] }, kinds: string[]): void {
  const actual = entries.map(({ kind }) => kind).join(', ');
  if (actual !== kinds.join(', ')) throw new Mismatch(`the entries ${kinds.join(', ')}`, actual);
}
