/** Faults that a request asks for itself: in a text of its body, in the fragment of a URL or in a header. */
export interface Directive {
  /** The task fails at its planned end; a stream breaks off in the middle. */
  fail?: true;
  /** The request is rejected with this error code. */
  errorCode?: string;
  /** The task never ends. */
  hang?: true;
  /** Duration of the task, in simulated time. */
  durationMs?: number;
  /** Number of bytes after which the response ends. */
  truncateAfter?: number;
  /** Delay of the response, in wall time. */
  delayMs?: number;
  /** A streamed text is split inside of characters. */
  split?: true;
}

export interface DirectiveResult {
  directive: Directive;
  /** One sentence for each invalid directive. The text that contains it is used unchanged. */
  warnings: string[];
}

const DIRECTIVE = /@emulator\(([^()]*)\)/g;
const DURATION = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)$/;
const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };
/** Ends the warning about an invalid directive. */
export const OPTIONS_HINT =
  'the options are fail, fail=<documented error code>, hang, duration=3s, delay=500ms, cut=<bytes> and split';
const MAX_TRUNCATE_BYTES = 1_000_000_000;
/** Maximum nesting depth at which directives are found; documented bodies are less deep. */
const MAX_DEPTH = 6;

/** Parses comma-separated options, such as `fail,duration=3s`. Returns undefined when one of them is invalid. */
export function parseDirective(text: string, isErrorCode: (code: string) => boolean): Directive | undefined {
  const directive: Directive = {};
  for (const option of text.split(',')) {
    const [name, value, ...rest] = option.split('=').map((part) => part.trim());
    if (rest.length > 0) return undefined;
    if (name === 'fail' && value === undefined) directive.fail = true;
    else if (name === 'fail' && isErrorCode(value!)) directive.errorCode = value!;
    else if (name === 'hang' && value === undefined) directive.hang = true;
    else if (name === 'split' && value === undefined) directive.split = true;
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

/** Merges the directives in all texts of `value`. Of several values for an option, the first wins. */
export function collectDirectives(value: unknown, isErrorCode: (code: string) => boolean): DirectiveResult {
  const result: DirectiveResult = { directive: {}, warnings: [] };
  for (const text of findDirectives(value, MAX_DEPTH)) {
    const directive = parseDirective(text, isErrorCode);
    if (directive) result.directive = { ...directive, ...result.directive };
    else result.warnings.push(`@emulator(${text}) is not a valid directive and was kept as text; ${OPTIONS_HINT}`);
  }
  return result;
}

/** Cheap check whether a JSON text may contain a directive, in a text of its value or in the fragment of a URL. */
export const mayContainDirective = (json: string): boolean =>
  json.includes('emulator(') || json.includes('emulator%28') || /\\u00[2-7]/.test(json);

function* findDirectives(value: unknown, depth: number): Generator<string> {
  if (typeof value === 'string') {
    for (const text of [value, decodeFragment(value)]) {
      if (text?.includes('@emulator(')) for (const [, directive] of text.matchAll(DIRECTIVE)) yield directive!;
    }
  } else if (typeof value === 'object' && value !== null && depth > 0) {
    for (const part of Object.values(value)) yield* findDirectives(part, depth - 1);
  }
}

/** Decodes the fragment of a URL, which URL builders percent-encode. Returns undefined when nothing is encoded. */
function decodeFragment(text: string): string | undefined {
  const at = text.indexOf('#');
  if (at === -1 || !text.includes('%', at)) return undefined;
  try {
    return decodeURIComponent(text.slice(at + 1));
  } catch {
    return undefined;
  }
}
