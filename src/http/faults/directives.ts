/** What a request asks to go wrong with it, in its own words: in a text, in the fragment of an address, in a header. */
export interface Directive {
  /** The task fails when its time comes, a stream breaks off in the middle. */
  fail?: true;
  /** The request is refused at once with this code. */
  errorCode?: string;
  hang?: true;
  /** Simulated. */
  durationMs?: number;
  /** The answer ends after so many bytes. */
  truncateAfter?: number;
  /** Wall time before the answer. */
  delayMs?: number;
}

export interface Reading {
  directive: Directive;
  /** Words that are none: what contains them is taken as it is. */
  warnings: string[];
}

const FORM = /@emulator\(([^()]*)\)/g;
const TIME = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)$/;
const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };
const MOST_BYTES = 1_000_000_000;
/** Deeper than any documented body. */
const MOST_DEPTH = 6;

/** What `words`, separated by commas, ask for; undefined when one of them means nothing. */
export function readWords(words: string, isCode: (code: string) => boolean): Directive | undefined {
  const directive: Directive = {};
  for (const word of words.split(',')) {
    const [name, value, ...more] = word.split('=').map((part) => part.trim());
    if (more.length > 0) return undefined;
    if (name === 'fail' && value === undefined) directive.fail = true;
    else if (name === 'fail' && isCode(value!)) directive.errorCode = value!;
    else if (name === 'hang' && value === undefined) directive.hang = true;
    else if (name === 'duration' && timeOf(value) !== undefined) directive.durationMs = timeOf(value)!;
    else if (name === 'delay' && timeOf(value) !== undefined) directive.delayMs = timeOf(value)!;
    else if (name === 'cut' && /^\d{1,9}$/.test(value ?? '')) {
      directive.truncateAfter = Math.min(Number(value), MOST_BYTES);
    } else return undefined;
  }
  return directive;
}

function timeOf(value: string | undefined): number | undefined {
  const [, number, unit] = TIME.exec(value ?? '') ?? [];
  return unit === undefined ? undefined : Math.round(Number(number) * UNITS_MS[unit]!);
}

/** All that the texts in `value` ask for; where two say the same, the first counts. */
export function readTexts(value: unknown, isCode: (code: string) => boolean): Reading {
  const reading: Reading = { directive: {}, warnings: [] };
  for (const words of wordsIn(value, MOST_DEPTH)) {
    const directive = readWords(words, isCode);
    if (directive) reading.directive = { ...directive, ...reading.directive };
    else reading.warnings.push(`@emulator(${words}) means nothing and was taken as text`);
  }
  return reading;
}

/** Whether any text in `value` could ask for something: a quick look before the thorough one. */
export function mayAsk(value: unknown, depth = MOST_DEPTH): boolean {
  if (typeof value === 'string') return value.includes('emulator(') || value.includes('emulator%28');
  if (typeof value !== 'object' || value === null || depth === 0) return false;
  for (const name in value) {
    if (mayAsk((value as Record<string, unknown>)[name], depth - 1)) return true;
  }
  return false;
}

function* wordsIn(value: unknown, depth: number): Generator<string> {
  if (typeof value === 'string') {
    for (const text of [value, fragmentOf(value)]) {
      if (text?.includes('@emulator(')) for (const [, words] of text.matchAll(FORM)) yield words!;
    }
  } else if (typeof value === 'object' && value !== null && depth > 0) {
    for (const part of Object.values(value)) yield* wordsIn(part, depth - 1);
  }
}

/** The decoded fragment of an address, where it is encoded; clients that build addresses encode them. */
function fragmentOf(text: string): string | undefined {
  const at = text.indexOf('#');
  if (at === -1 || !text.includes('%', at)) return undefined;
  try {
    return decodeURIComponent(text.slice(at + 1));
  } catch {
    return undefined;
  }
}
