import { setMaxListeners } from 'node:events';

export type AccountLifetimes = ReturnType<typeof createAccountLifetimes>;

/**
 * A reset, a restore or a removal ends an account's life; the key goes on under a new id, if at all. What is under way for
 * the old id (a stream, a delayed answer, a wait) learns of it here and must leave everything alone from then on.
 */
export function createAccountLifetimes() {
  const controllers = new Map<number, AbortController>();
  const listeners: ((endedId: number, successorId: number | undefined) => void)[] = [];
  return {
    /** `successorId` is given where the account goes on with its past, as after a restore. */
    onEnd: (listener: (typeof listeners)[number]) => void listeners.push(listener),
    /** Aborts when the life of this id ends. */
    signalFor(accountId: number): AbortSignal {
      let controller = controllers.get(accountId);
      if (!controller) {
        controller = new AbortController();
        // As many listen to it as requests are under way.
        setMaxListeners(0, controller.signal);
        controllers.set(accountId, controller);
      }
      return controller.signal;
    },
    end(accountId: number, successorId?: number): void {
      controllers.get(accountId)?.abort();
      controllers.delete(accountId);
      for (const listener of listeners) listener(accountId, successorId);
    },
  };
}
