export type Lives = ReturnType<typeof createLives>;

/**
 * A reset, a restore or a removal ends an account's life; the key goes on under a new id, if at all. What is under way for
 * the old id (a stream, a delayed answer, a wait) learns of it here and must leave everything alone from then on.
 */
export function createLives() {
  const controllers = new Map<number, AbortController>();
  return {
    /** Aborts when the life of this id ends. */
    signalOf(accountId: number): AbortSignal {
      let controller = controllers.get(accountId);
      if (!controller) {
        controller = new AbortController();
        controllers.set(accountId, controller);
      }
      return controller.signal;
    },
    end(accountId: number): void {
      controllers.get(accountId)?.abort();
      controllers.delete(accountId);
    },
  };
}
