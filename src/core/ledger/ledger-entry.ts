export type EntryKind = 'grant' | 'hold' | 'capture' | 'refund' | 'adjust';

/** An entry of an account's ledger. */
export interface LedgerEntry {
  seq: number;
  kind: EntryKind;
  /** Change of the balance in whole credits, signed. */
  amount: number;
  /** The balance after this entry. */
  balance: number;
  taskId: string | null;
  /** `seq` of the hold that a capture or refund resolves. */
  holdSeq: number | null;
  reason: string | null;
  /** On the account's clock. */
  atMs: number;
}
