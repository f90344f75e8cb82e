import type { Core } from '../../core/core.ts';
import type { HttpSettings } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { createDocumentImports, handleDocument } from './import-document.ts';

/**
 * Creates the accounts of the seed file that are documents of an export, unless they exist; a reset replaces those that
 * come from the seed file.
 * @throws DocumentError when the document of an account contradicts itself
 */
export function createSeedStates(
  core: Core,
  families: readonly Family[],
  { seedStates = [], faultLimit }: Pick<HttpSettings, 'seedStates' | 'faultLimit'>,
  { isReset }: { isReset: boolean },
): void {
  if (seedStates.length === 0) return;
  const beginImport = createDocumentImports(core, families, faultLimit);
  for (const document of seedStates) {
    const existing = core.accounts.find(document.account.key);
    if (existing && !(isReset && existing.origin === 'seed')) continue;
    const documentImport = beginImport();
    try {
      documentImport.write(0, () => handleDocument(documentImport.handler, document));
      documentImport.commit({ origin: 'seed', replace: true, isReset: true });
    } catch (error) {
      documentImport.discard();
      throw error;
    }
  }
}
