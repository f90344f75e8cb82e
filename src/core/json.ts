/** The text is JSON, but nested deeper than its reader allows. */
export class JsonNestingError extends Error {}

/**
 * Parses JSON that a client, a server or a file provides, with or without a byte order mark.
 *
 * @param maxNesting Limits the depth: functions that recurse into the value, such as JSON.stringify, overflow the call
 *   stack at a few thousand levels.
 * @throws SyntaxError when the text is not JSON
 * @throws JsonNestingError when it is nested deeper
 */
export function parseJson(text: string, maxNesting: number): unknown {
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const value: unknown = JSON.parse(json);
  if (json.length > 2 * maxNesting && isNestedDeeper(json, maxNesting)) {
    throw new JsonNestingError(`nested deeper than ${maxNesting} levels`);
  }
  return value;
}

/** Expects valid JSON. */
function isNestedDeeper(json: string, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = findStringEnd(json, at);
    else if (character === '[' || character === '{') {
      depth += 1;
      if (depth > max) return true;
    } else if (character === ']' || character === '}') depth -= 1;
  }
  return false;
}

/** Returns the index of the quote that ends the string starting at `start`. */
function findStringEnd(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); ; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json[end - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
}
