import type { AccountControl } from '../client/api.ts';
import type { LedgerEntry } from '../client/types.ts';
import { Differs } from './case-errors.ts';

/** So many credits, since the account was made. @throws Differs */
export async function assertTaken(account: AccountControl, price: number): Promise<void> {
  const { entries, balance } = await account.ledger();
  const granted = entries.find(({ kind }) => kind === 'grant')?.amount ?? 0;
  if (granted - balance !== price) throw new Differs(`${price} credits taken`, `${granted - balance}`);
}

/** @throws Differs */
export function assertKinds({ entries }: { entries: LedgerEntry[] }, kinds: string[]): void {
  const actual = entries.map(({ kind }) => kind).join(', ');
  if (actual !== kinds.join(', ')) throw new Differs(`the entries ${kinds.join(', ')}`, actual);
}
