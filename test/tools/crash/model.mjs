// All accounts as their clients know them, compared with what a killed process left behind.
import { checkConcurrentAccount, createConcurrentAccount, started } from './concurrent-account.mjs';
import { findViolations } from './ledger-invariants.mjs';
import { afterStart, checkSerialAccount, initialState } from './serial-account.mjs';
import { createSerialAccount } from './serial-load.mjs';

/** The accounts of the seed file, which this tool does not use. */
const SEEDED = ['default', 'empty', 'limited', 'unlimited', 'auto', 'frozen'].map((name) => `np_test_${name}`);

export const AUTO_ACCOUNT_CREDITS = 1000;

export function createModel(serialCount) {
  /** Accounts by key. */
  const concurrent = new Map();
  const serial = Array.from({ length: serialCount }, (_, index) => createSerialAccount(`serial-${index + 1}`));
  let forks = [];
  const tally = { inFlightDone: 0, inFlightNot: 0 };

  function resetAll() {
    for (const account of concurrent.values()) {
      const exists = account.created === 'done' && account.removed === 'no' && !account.isAutoCreated;
      const { isAutoCreated, round } = account;
      const fresh = { ...createConcurrentAccount(account), isAutoCreated, round, created: exists ? 'done' : 'gone' };
      concurrent.set(account.key, fresh);
    }
    for (const one of [...serial, ...forks]) one.state &&= initialState(one.profile);
  }

  return {
    tally,
    concurrent,
    serial,
    forks: () => forks,
    addFork: (copy) => forks.push(copy),
    dropForks: () => {
      forks = [];
    },
    addConcurrent(account) {
      concurrent.set(account.key, account);
      return account;
    },
    resetAll,
    /** Called when the emulator runs again. */
    started() {
      for (const account of concurrent.values()) started(account);
      for (const one of [...serial, ...forks]) one.state = afterStart(one.state);
    },

    /** `reset`: a reset of all accounts was in flight, and the rows decide whether it took effect. */
    check(rows, { reset = false } = {}) {
      const witness = serial.find(({ state }) => state?.tasks.length > 0);
      if (reset && witness && (rows.get(witness.key)?.tasks.length ?? 0) === 0) {
        resetAll();
        tally.inFlightDone += 1;
      } else if (reset) tally.inFlightNot += 1;
      const problems = [];
      const reportFor = (key) => (problem) => problems.push(`${key}: ${problem}`);
      for (const account of concurrent.values())
        checkConcurrentAccount(account, rows.get(account.key), tally).forEach(reportFor(account.key));
      for (const one of [...serial, ...forks])
        checkSerialAccount(one, rows.get(one.key), tally).forEach(reportFor(one.key));
      const known = new Set([...concurrent.keys(), ...SEEDED, ...[...serial, ...forks].map(({ key }) => key)]);
      for (const [key, account] of rows) {
        findViolations(account).forEach(reportFor(key));
        if (!known.has(key)) reportFor(key)('was created by no client');
      }
      return problems;
    },
  };
}
