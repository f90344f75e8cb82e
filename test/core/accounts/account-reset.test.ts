import { expect, it } from 'vitest';
import { createResets } from '../../../src/core/accounts/account-reset.ts';

it('a global reset handles more accounts than a function call can have arguments', () => {
  const accounts = Array.from({ length: 300_000 }, (_, index) => ({ id: index + 1, origin: 'self' }));
  const ended: number[] = [];
  const nothing = () => {};
  const resets = createResets(
    ...([
      {
        transactions: { exclusive: (run: unknown) => run },
        events: { emit: nothing },
        storage: { measureAtTurnEnd: nothing },
      },
      { all: () => accounts, get: () => ({ id: 0 }), remove: nothing },
      { clear: nothing },
      { end: (id: number) => ended.push(id) },
    ] as unknown as Parameters<typeof createResets>),
  );
  resets.resetAll();
  expect(ended).toHaveLength(accounts.length);
});
