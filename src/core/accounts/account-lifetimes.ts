import { setMaxListeners } from 'node:events';
import { AbortController, type AbortSignal } from '../globals.ts';
import type { Account } from './account.ts';

/**
 * `successor` is the account that has the key now. `keepsHistory`: it continues the history of the ended one, as a
 * restored account does.
 */
type EndListener = (endedId: number, successor: Account | undefined, keepsHistory: boolean) => void;

export type AccountLifetimes = ReturnType<typeof createAccountLifetimes>;

/**
 * An AbortSignal per account id. A reset, restore or removal ends the lifetime of the id; a reset or restored key
 * continues under a new id. Work in progress for the old id (a stream, a delayed response, a wait) is cancelled by the
 * signal and must not write anything afterwards.
 */
export function createAccountLifetimes() {
  const controllers = new Map<number, AbortController>();
  const listeners: EndListener[] = [];
  return {
    /** Calls `listener` after the end of a lifetime. */
    onEnd: (listener: EndListener) => void listeners.push(listener),
    /** Returns the signal that aborts when the lifetime of this id ends. */
    signalFor(accountId: number): AbortSignal {
      let controller = controllers.get(accountId);
      if (!controller) {
        controller = new AbortController();
        // One listener per request in progress: without this, Node warns about a leak at eleven.
        setMaxListeners(0, controller.signal);
        controllers.set(accountId, controller);
      }
      return controller.signal;
    },
    end(accountId: number, successor?: Account, keepsHistory = false): void {
      controllers.get(accountId)?.abort();
      controllers.delete(accountId);
      for (const listener of listeners) listener(accountId, successor, keepsHistory);
    },
  };
}
