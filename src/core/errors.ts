/** Facts that an answer may need beside its code, such as `requiredCredits`. */
export type ErrorFacts = Readonly<Record<string, string | number>>;

/**
 * What the domain throws: a stable code and, in `message`, what the log should say.
 * What the client is told for a code, and with which status, is decided in `http/errors`.
 */
export class EmulatorError extends Error {
  override readonly name = 'EmulatorError';
  readonly code: string;
  readonly facts: ErrorFacts;

  constructor(code: string, message: string, facts: ErrorFacts = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** The emulator cannot start as it was asked to. The message is one sentence for the person who started it. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}
