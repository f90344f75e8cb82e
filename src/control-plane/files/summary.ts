import type * as z from 'zod';
import { escapeControlChars } from '../../core/control-chars.ts';
import type { AccountSchema, FindingSchema, JournalEntrySchema } from '../response-schemas.ts';

/** Maximum number of rows of a table, so that the summary stays one page. */
export const MAX_ROWS = 20;
const MAX_CELL_CHARACTERS = 200;

interface SummaryParts {
  account: z.output<typeof AccountSchema>;
  /** Sum of the open holds. */
  held: number;
  /** Number of tasks by status and error code. */
  outcomes: readonly { status: string; errorCode: string | null; count: number }[];
  findings: readonly z.output<typeof FindingSchema>[];
  /** The last requests, at most `MAX_ROWS`. */
  requests: readonly z.output<typeof JournalEntrySchema>[];
  /** Number of all requests. */
  requestCount: number;
  faults: readonly {
    id: string;
    at: string;
    match: object;
    effect: object;
    times?: number | undefined;
    fired: number;
  }[];
}

/** Formats the state of an account as one page of Markdown. All texts in it must be redacted already. */
export function formatSummary(parts: SummaryParts): string {
  const { account, held, outcomes, findings, requests, requestCount, faults } = parts;
  const { credits, rateLimit, clock } = account;
  const { limit, remaining } = rateLimit;
  const taskCount = outcomes.reduce((sum, { count }) => sum + count, 0);
  const lines = [
    '# Account',
    '',
    `- Balance: ${credits} credits, ${held} held for unfinished tasks`,
    `- Rate limit: ${limit === null ? 'none' : `${remaining} of ${limit} requests left in this hour`}`,
    `- Clock: ${clock.mode}, ${clock.now}`,
    ...formatSection(
      `Findings about the client: ${findings.length}`,
      ['code', 'finding', 'requests'],
      findings.slice(0, MAX_ROWS).map(({ code, message, requests }) => [code, message, requests.join(', ')]),
    ),
    ...formatSection(
      `Tasks: ${taskCount}`,
      ['status', 'error code', 'tasks'],
      outcomes.slice(0, MAX_ROWS).map(({ status, errorCode, count }) => [status, errorCode ?? '', String(count)]),
    ),
    ...formatSection(
      `Requests: ${requests.length < requestCount ? `the last ${requests.length} of ` : ''}${requestCount}`,
      ['id', 'time', 'request', 'status', 'error code', 'faults and warnings'],
      requests.map(({ id, at, method, path, status, errorCode, fault, warnings }) => [
        ...[id, at, `${method} ${path}`, String(status ?? 'no response'), errorCode ?? ''],
        [...(fault === null ? [] : [`fault: ${fault}`]), ...warnings].join('; '),
      ]),
    ),
    ...formatSection(
      `Fault rules: ${faults.length}`,
      ['id', 'stage', 'match', 'effect', 'fired'],
      faults
        .slice(0, MAX_ROWS)
        .map(({ id, at, match, effect, times, fired }) => [
          ...[id, at, JSON.stringify(match), JSON.stringify(effect)],
          times === undefined ? String(fired) : `${fired} of ${times}`,
        ]),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** Formats a heading and a table; only the heading without rows. */
function formatSection(title: string, header: readonly string[], rows: readonly string[][]): string[] {
  if (rows.length === 0) return ['', `## ${title}`];
  const cells = rows.map((row) => `| ${row.map(escapeCell).join(' | ')} |`);
  return ['', `## ${title}`, '', `| ${header.join(' | ')} |`, `|${'---|'.repeat(header.length)}`, ...cells];
}

/** Escapes the characters that end a cell, or start a link, code or HTML: requests contain whatever a client sends. */
function escapeCell(text: string): string {
  const isTooLong = text.length > MAX_CELL_CHARACTERS;
  const shortened = isTooLong ? `${text.slice(0, MAX_CELL_CHARACTERS)}…` : text;
  return escapeControlChars(shortened).replaceAll(/[\\`[\]<>|&*]/g, '\\$&');
}
