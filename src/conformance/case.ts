import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { CaseContext } from './case-context.ts';

/** One promise of the contract, and the way to see whether a server keeps it. */
export interface Case {
  /** `sora-2/price-sora2-10`: unique, and stable from version to version. */
  id: string;
  /** One sentence that is true where the promise is kept. */
  name: string;
  /** How well the promise is known. */
  provenance: Provenance;
  /**
   * Nothing of it can be charged for: polls, missing keys, and what the vendor documents to be refused. Whatever else a real
   * service might accept and charge for needs a budget.
   */
  isFree: boolean;
  /** @throws NotChecked where this server gives no way to see it */
  check(context: CaseContext): Promise<void>;
}
