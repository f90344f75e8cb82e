/** The text exceeds a limit of its reader. */
export class JsonLimitError extends Error {}

export interface JsonLimits {
  /** Functions that recurse into the value, such as JSON.stringify, overflow the call stack at a few thousand levels. */
  maxNesting: number;
  /** Parsing and walking through a value with very many parts takes far longer than its length suggests. */
  maxValues?: number;
}

/**
 * Parses JSON that a client, a server or a file provides, with or without a byte order mark.
 *
 * @throws SyntaxError when the text is not JSON
 * @throws JsonLimitError when it exceeds a limit
 */
export function parseJson(text: string, limits: JsonLimits): unknown {
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (json.length > 2 * limits.maxNesting) assertWithinLimits(json, limits);
  return JSON.parse(json);
}

/** Counts brackets and commas outside of strings. The text need not be valid. */
function assertWithinLimits(json: string, { maxNesting, maxValues = Number.POSITIVE_INFINITY }: JsonLimits): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = findStringEnd(json, at);
    else if (character === '[' || character === '{') {
      depth += 1;
      values += 1;
      if (depth > maxNesting) throw new JsonLimitError(`nested deeper than ${maxNesting} levels`);
    } else if (character === ']' || character === '}') depth -= 1;
    else if (character === ',') values += 1;
    if (values > maxValues) throw new JsonLimitError(`made of more than ${maxValues} values`);
  }
}

/** Returns the index of the quote that ends the string starting at `start`, or the end of the text. */
function findStringEnd(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json[end - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return json.length;
}
