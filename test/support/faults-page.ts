import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const page = readFileSync(join(import.meta.dirname, '../../docs/reference/faults.md'), 'utf8');

const prose = page.replace(/^```sh\n[\s\S]*?^```$/gm, '');

/** The text between a heading and the next heading of the same or a higher level. */
export function readSection(heading: string): string {
  const [, text] = prose.split(`\n${heading}\n`);
  if (text === undefined) throw new Error(`the page has no "${heading}"`);
  const { length } = /^#+/.exec(heading)![0];
  return text.split(new RegExp(`^#{1,${length}} `, 'm'))[0]!;
}

/** The cells of a section's table, without its header and without backticks. */
export const parseTableRows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
    );

const KEY = 'np_test_default';

/** A request that gets this error code. */
export interface Row {
  path: string;
  code: string;
  status: number;
  key: string;
  body: string;
}

export const ROWS: Row[] = readSection('## Every code of every endpoint')
  .split(/^### /m)
  .slice(1)
  .flatMap((part) => {
    const path = /^`([^`]+)`/.exec(part)![1]!;
    return parseTableRows(part).map(([code, status, key, body]) => ({
      ...{ path, code: code!, status: Number(status), key: key || KEY, body: body! },
    }));
  });
