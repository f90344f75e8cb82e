/** Maximum number of names, such as those of undocumented fields, that an entry of the journal lists. */
export const MAX_NAMES = 10;

/** The first names of a list that may be long. */
export interface BoundedNames {
  names: readonly string[];
  /** Number of further names. */
  omittedCount: number;
}

export const NO_NAMES: BoundedNames = { names: [], omittedCount: 0 };

/** Returns the sentence about the names that are not listed, if any. */
export const describeOmitted = ({ omittedCount }: BoundedNames, noun: string): string[] =>
  omittedCount === 0 ? [] : [`and ${omittedCount.toLocaleString('en')} more ${noun}`];
