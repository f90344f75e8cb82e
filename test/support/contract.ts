import { expect } from 'vitest';
import { createContractCheck, type Exchange } from './contract-check.ts';

/** Fails the test for responses that violate an OpenAPI document. */
export function createAnswerCheck(document: object) {
  const check = createContractCheck(document);
  return (exchange: Exchange): void => {
    const violation = check(exchange);
    // An expectation takes longer than most checks.
    if (violation !== undefined) expect(violation).toBeUndefined();
  };
}
