import type { Random } from '../../../../src/core/random.ts';
import type { Mode, Profile } from '../model/account-model.ts';
import { DEFAULT_PROFILE } from '../model/facts.ts';
import type { Model } from '../model/model.ts';
import { order, text } from './api-operations.ts';
import { control } from './control-operations.ts';
import { toAccountBody } from './control-request.ts';
import type { Operation } from './operation.ts';
import { poll } from './poll.ts';

export const KEYS = ['np_test_sim1', 'np_test_sim2', 'np_test_sim3', 'np_test_sim4'];

interface DrawContext {
  random: Random;
  model: Model;
}

/** The creation of an account with random settings. */
export function createAccount({ random, model }: DrawContext, key: string): Operation {
  const mode: Mode = random.pick(['real', 'frozen', 'auto']);
  const profile: Profile = {
    ...DEFAULT_PROFILE,
    ...{ mode, credits: random.pick([0, 20, 300, 5000]), limit: random.pick([3, 100, null]) },
    ...{ speed: random.pick([1, 60, 7]), seed: random.pick(['a', 'b']) },
  };
  const { limit, mode: clock, ...rest } = profile;
  return {
    ...{ method: 'POST', path: '/__admin/accounts', touches: [key] },
    body: { key, rateLimit: limit, clock, ...rest },
    apply: () => {
      if (model.accounts.has(key)) return { status: 409, body: { code: 'ACCOUNT_EXISTS' } };
      return { status: 201, body: toAccountBody({ model }, model.create(key, profile)) };
    },
  };
}

/** Draws the next request; undefined when there is nothing to send. `excluded` are keys that must not be used. */
export function drawOperation({ random, model }: DrawContext, excluded: ReadonlySet<string>): Operation | undefined {
  const accounts = [...model.accounts.values()].filter(({ key }) => !excluded.has(key));
  const missing = KEYS.filter((key) => !model.accounts.has(key) && !excluded.has(key));
  if (missing.length > 0 && random.next() < 0.3) return createAccount({ random, model }, random.pick(missing));
  if (accounts.length === 0) return undefined;
  const operationContext = { random, model, accounts };
  const kind = random.next();
  if (kind < 0.35) return order(operationContext);
  if (kind < 0.55) return poll(operationContext);
  if (kind < 0.62) return text(operationContext);
  return control(operationContext);
}
