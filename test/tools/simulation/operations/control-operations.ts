import type { ModelAccount } from '../model/model.ts';
import {
  change,
  credits,
  fork,
  ledger,
  read,
  remove,
  reset,
  restore,
  setRateLimit,
  takeSnapshot,
} from './account-requests.ts';
import type { ControlRequest } from './control-request.ts';
import type { Operation, OperationContext } from './operation.ts';
import { addRule, advance, endTask, removeRules, setClock, wait } from './task-requests.ts';

/** Wraps what happens before any request about an account is served. */
function controlOperation({ model }: OperationContext, key: string, request: ControlRequest): Operation {
  const { serve, path, ...rest } = request;
  return {
    ...rest,
    path: `/__admin/accounts/${key}${path}`,
    apply() {
      const account = model.accounts.get(key);
      if (!account) return { status: 404, body: { code: 'ACCOUNT_NOT_FOUND' } };
      model.catchUp(account);
      return serve(account);
    },
  };
}

type Build = (context: OperationContext, account: ModelAccount) => ControlRequest | undefined;

/** The requests about an account, by how often they are sent. */
const CONTROL_REQUESTS: readonly (readonly [weight: number, build: Build])[] = [
  [4, read],
  [4, credits],
  [3, ledger],
  [8, advance],
  [3, setClock],
  [6, endTask],
  [2, setRateLimit],
  [3, change],
  [2, takeSnapshot],
  [2, restore],
  [1, fork],
  [2, reset],
  [1, remove],
  [3, addRule],
  [1, removeRules],
  [6, wait],
];
const TOTAL_WEIGHT = CONTROL_REQUESTS.reduce((sum, [weight]) => sum + weight, 0);

/** A random request of the control plane about one account. */
export function control(context: OperationContext): Operation | undefined {
  const { random, accounts } = context;
  const account = random.pick(accounts);
  let left = random.int(0, TOTAL_WEIGHT - 1);
  const [, build] = CONTROL_REQUESTS.find(([weight]) => {
    left -= weight;
    return left < 0;
  })!;
  const request = build(context, account);
  return request && controlOperation(context, account.key, request);
}
