import { expect } from 'vitest';
import { createContractCheck, type Exchange } from './contract-check.ts';

/** Refuses answers that a document of the contract does not have. */
export function createAnswerCheck(document: object) {
  const check = createContractCheck(document);
  return (exchange: Exchange): void => expect(check(exchange)).toBeUndefined();
}
