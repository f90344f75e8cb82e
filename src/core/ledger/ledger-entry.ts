/** An entry of an account's ledger. */
export interface LedgerEntry {
  seq: number;
  kind: 'grant' | 'hold' | 'capture' | 'refund' | 'adjust';
  /** Change of the balance in whole credits, signed. */
  amount: number;
  /** The balance after this entry. */
  balance: number;
  taskId: string | null;
  /** `initial credits`, the error code of a failed task, or what a caller of the control plane gave as the reason. */
  reason: string | null;
  /** On the account's clock. */
  atMs: number;
}
