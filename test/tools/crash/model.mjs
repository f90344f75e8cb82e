// All accounts as their clients know them, held against what a killed process has left behind.

import { checkOpenAccount, createOpenAccount, started } from './concurrent-account.mjs';
import { unsound } from './ledger-invariants.mjs';
import { afterStart, checkExactAccount, freshState } from './serial-account.mjs';
import { createExactAccount } from './serial-load.mjs';

/** Those of the seed file, which nobody uses here. */
const SEEDED = ['default', 'empty', 'limited', 'unlimited', 'auto', 'frozen'].map((name) => `np_test_${name}`);

export const SELF_MADE_CREDITS = 1000;

export function createModel(exactCount) {
  /** By key. */
  const open = new Map();
  const exact = Array.from({ length: exactCount }, (_, index) => createExactAccount(`exact-${index + 1}`));
  let forks = [];
  const tally = { inFlightDone: 0, inFlightNot: 0 };

  function resetAll() {
    for (const account of open.values()) {
      const isThere = account.created === 'done' && account.removed === 'no' && !account.isSelfMade;
      const { isSelfMade, round } = account;
      const fresh = { ...createOpenAccount(account), isSelfMade, round, created: isThere ? 'done' : 'gone' };
      open.set(account.key, fresh);
    }
    for (const one of [...exact, ...forks]) one.state &&= freshState(one.made);
  }

  return {
    tally,
    open,
    exact,
    forks: () => forks,
    addFork: (copy) => forks.push(copy),
    dropForks: () => {
      forks = [];
    },
    addOpen(account) {
      open.set(account.key, account);
      return account;
    },
    resetAll,
    /** The emulator runs again. */
    started() {
      for (const account of open.values()) started(account);
      for (const one of [...exact, ...forks]) one.state = afterStart(one.state);
    },

    /** `reset`: a call that resets everything was under way, and the rows say whether it has happened. */
    check(rows, { reset = false } = {}) {
      const witness = exact.find(({ state }) => state?.tasks.length > 0);
      if (reset && witness && (rows.get(witness.key)?.tasks.length ?? 0) === 0) {
        resetAll();
        tally.inFlightDone += 1;
      } else if (reset) tally.inFlightNot += 1;
      const problems = [];
      const say = (key) => (problem) => problems.push(`${key}: ${problem}`);
      for (const account of open.values())
        checkOpenAccount(account, rows.get(account.key), tally).forEach(say(account.key));
      for (const one of [...exact, ...forks]) checkExactAccount(one, rows.get(one.key), tally).forEach(say(one.key));
      const known = new Set([...open.keys(), ...SEEDED, ...[...exact, ...forks].map(({ key }) => key)]);
      for (const [key, account] of rows) {
        unsound(account).forEach(say(key));
        if (!known.has(key)) say(key)('was made by nobody');
      }
      return problems;
    },
  };
}
