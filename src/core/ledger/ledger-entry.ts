export type EntryKind = 'grant' | 'hold' | 'capture' | 'refund' | 'adjust';

export interface LedgerEntry {
  seq: number;
  kind: EntryKind;
  /** Signed whole credits: what the entry did to the balance. */
  amount: number;
  /** The balance after it. */
  balance: number;
  taskId: string | null;
  holdSeq: number | null;
  reason: string | null;
  atMs: number;
}
