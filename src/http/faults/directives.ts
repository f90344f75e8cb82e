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

export interface DirectiveResult {
  directive: Directive;
  /** Words that are none: what contains them is taken as it is. */
  warnings: string[];
}

const DIRECTIVE = /@emulator\(([^()]*)\)/g;
const DURATION = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)$/;
const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };
const MAX_TRUNCATE_BYTES = 1_000_000_000;
/** Deeper than any documented body. */
const MAX_DEPTH = 6;

/** What `words`, separated by commas, ask for; undefined when one of them means nothing. */
export function parseDirective(text: string, isErrorCode: (code: string) => boolean): Directive | undefined {
  const directive: Directive = {};
  for (const option of text.split(',')) {
    const [name, value, ...rest] = option.split('=').map((part) => part.trim());
    if (rest.length > 0) return undefined;
    if (name === 'fail' && value === undefined) directive.fail = true;
    else if (name === 'fail' && isErrorCode(value!)) directive.errorCode = value!;
    else if (name === 'hang' && value === undefined) directive.hang = true;
    else if (name === 'duration' && parseDurationMs(value) !== undefined)
      directive.durationMs = parseDurationMs(value)!;
    else if (name === 'delay' && parseDurationMs(value) !== undefined) directive.delayMs = parseDurationMs(value)!;
    else if (name === 'cut' && /^\d{1,9}$/.test(value ?? '')) {
      directive.truncateAfter = Math.min(Number(value), MAX_TRUNCATE_BYTES);
    } else return undefined;
  }
  return directive;
}

function parseDurationMs(value: string | undefined): number | undefined {
  const [, number, unit] = DURATION.exec(value ?? '') ?? [];
  return unit === undefined ? undefined : Math.round(Number(number) * UNITS_MS[unit]!);
}

/** All that the texts in `value` ask for; where two say the same, the first counts. */
export function collectDirectives(value: unknown, isErrorCode: (code: string) => boolean): DirectiveResult {
  const result: DirectiveResult = { directive: {}, warnings: [] };
  for (const text of findDirectives(value, MAX_DEPTH)) {
    const directive = parseDirective(text, isErrorCode);
    if (directive) result.directive = { ...directive, ...result.directive };
    else result.warnings.push(`@emulator(${text}) means nothing and was taken as text`);
  }
  return result;
}

/** Whether any text in `value` could ask for something: a quick look before the thorough one. */
export function mayContainDirective(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value === 'string') return value.includes('emulator(') || value.includes('emulator%28');
  if (typeof value !== 'object' || value === null || depth === 0) return false;
  for (const name in value) {
    if (mayContainDirective((value as Record<string, unknown>)[name], depth - 1)) return true;
  }
  return false;
}

function* findDirectives(value: unknown, depth: number): Generator<string> {
  if (typeof value === 'string') {
    for (const text of [value, decodeFragment(value)]) {
      if (text?.includes('@emulator(')) for (const [, directive] of text.matchAll(DIRECTIVE)) yield directive!;
    }
  } else if (typeof value === 'object' && value !== null && depth > 0) {
    for (const part of Object.values(value)) yield* findDirectives(part, depth - 1);
  }
}

/** The decoded fragment of an address, where it is encoded; clients that build addresses encode them. */
function decodeFragment(text: string): string | undefined {
  const at = text.indexOf('#');
  if (at === -1 || !text.includes('%', at)) return undefined;
  try {
    return decodeURIComponent(text.slice(at + 1));
  } catch {
    return undefined;
  }
}
