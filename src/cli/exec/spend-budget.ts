import type { ContractValidator } from '../../conformance/contract-validator.ts';
import type { Json } from '../../openapi/json-schema.ts';

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];

export type SpendBudget = ReturnType<typeof createSpendBudget>;

/** Adds up the prices of requests to the real service before they are sent. */
export function createSpendBudget(validator: ContractValidator, credits: number) {
  let spent = 0;
  return {
    /**
     * Counts a request as charged. Returns a function that reverts this, for a request that was rejected; or the reason
     * why the request must not be sent.
     */
    reserve(method: string, path: string, body: Json): (() => void) | string {
      if (SAFE_METHODS.includes(method)) return () => {};
      if (method !== 'POST' || validator.operationOf(path) === undefined) {
        return `${method} ${path} is not in the contract, so its price is not known`;
      }
      const price = validator.estimatePrice(path, body);
      // False for a price that is not a number, too.
      if (!(price <= credits - spent)) {
        return `it could cost ${price} credits, but --spend leaves ${credits - spent}`;
      }
      spent += price;
      return () => {
        spent -= price;
      };
    },
    /** The maximum that the requests so far may have cost. */
    spent: () => spent,
  };
}
