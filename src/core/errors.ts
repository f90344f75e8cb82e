/** Values that an error response may show in addition to its code, such as `requiredCredits`. */
export type ErrorFacts = Readonly<Record<string, string | number>>;

/**
 * An error that becomes a response of the API or of the control plane. `code` is stable; `message` is for the log.
 * The error tables of `http` and `control-plane` map each code to a status and the text that the client sees.
 */
export class EmulatorError<Code extends string = string> extends Error {
  override readonly name = 'EmulatorError';
  readonly code: Code;
  readonly facts: ErrorFacts;

  constructor(code: Code, message: string, facts: ErrorFacts = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** Error codes that the domain throws. Other layers throw codes of their own error tables. */
export type CoreErrorCode =
  | 'ACCOUNT_EXISTS'
  | 'ACCOUNT_NOT_FOUND'
  | 'BALANCE_TOO_HIGH'
  | 'BALANCE_TOO_LOW'
  | 'CLOCK_BACKWARDS'
  | 'CLOCK_TOO_FAR'
  | 'INSUFFICIENT_CREDITS'
  | 'INTERNAL_ERROR'
  | 'OUT_OF_MEMORY'
  | 'SNAPSHOT_NOT_FOUND'
  | 'TOO_MANY_ACCOUNTS'
  | 'TOO_MANY_SNAPSHOTS';

/** An error that the domain throws. */
export class CoreError extends EmulatorError<CoreErrorCode> {}

/** The emulator cannot start with its settings or its data. The message is one sentence for the user who started it. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}
