import { XMLBuilder } from 'fast-xml-parser';
import type { Source } from '../http/pipeline/route-docs.ts';
import { visible } from './escape-control-chars.ts';
import type { Outcome } from './runner.ts';

export interface Report {
  url: string;
  /** Whether there was a control plane, so that every case had an account of its own. */
  isControlled: boolean;
  at: string;
  creditsSpent: number;
  outcomes: readonly Outcome[];
}

export const FORMATS = ['human', 'json', 'junit'] as const;
export type Format = (typeof FORMATS)[number];

const MARKS: Record<Source, string> = { D: 'documented', C: 'known from clients', X: 'assumed' };
const RESULTS = ['holds', 'differs', 'not checked'] as const;

export const countOf = ({ outcomes }: Report, result: Outcome['result'], mark?: Source): number =>
  outcomes.filter((one) => one.result === result && (mark ?? one.mark) === one.mark).length;

export function written(report: Report, format: Format): string {
  switch (format) {
    case 'json':
      return asJson(report);
    case 'junit':
      return asJUnit(report);
    case 'human':
      return asText(report);
  }
}

function asText(report: Report): string {
  const { url, isControlled, outcomes, creditsSpent } = report;
  const lines = [
    `${url}, ${isControlled ? 'each case with an account of its own' : 'without a control plane'}`,
  ];
  for (const mark of Object.keys(MARKS) as Source[]) {
    const own = outcomes.filter((one) => one.mark === mark);
    if (own.length === 0) continue;
    lines.push('', `${mark}: ${MARKS[mark]}`, ...own.flatMap(linesOf));
  }
  const counts = (mark?: Source) =>
    RESULTS.map((result) => String(countOf(report, result, mark)).padStart(13)).join('');
  lines.push('', `   ${' '.repeat(20)}${RESULTS.map((result) => result.padStart(13)).join('')}`);
  for (const mark of Object.keys(MARKS) as Source[])
    lines.push(`${mark}  ${MARKS[mark].padEnd(20)}${counts(mark)}`);
  lines.push(`   ${'all'.padEnd(20)}${counts()}`);
  if (!isControlled) lines.push('', `${creditsSpent} credits spent`);
  return lines.join('\n');
}

function linesOf({ id, name, result, expected, actual, why }: Outcome): string[] {
  switch (result) {
    case 'holds':
      return [`  holds        ${id}: ${name}`];
    case 'differs':
      return [
        `  DIFFERS      ${id}: ${name}`,
        `                 expected ${visible(expected ?? '')}`,
        `                 got      ${visible(actual ?? '')}`,
      ];
    case 'not checked':
      return [`  not checked  ${id}: ${visible(why ?? '')}`];
  }
}

function asJson(report: Report): string {
  const totals = Object.fromEntries(
    (Object.keys(MARKS) as Source[]).map((mark) => [
      mark,
      Object.fromEntries(RESULTS.map((result) => [result, countOf(report, result, mark)])),
    ]),
  );
  return JSON.stringify({ ...report, totals }, null, 2);
}

/** As Jenkins, GitLab and others read it: a suite for each mark. */
function asJUnit(report: Report): string {
  const suites = (Object.keys(MARKS) as Source[]).map((mark) => {
    const own = report.outcomes.filter((one) => one.mark === mark);
    return {
      '@name': `${mark}: ${MARKS[mark]}`,
      '@tests': own.length,
      '@failures': countOf(report, 'differs', mark),
      '@skipped': countOf(report, 'not checked', mark),
      '@timestamp': report.at,
      testcase: own.map(({ id, name, result, expected, actual, why }) => ({
        '@classname': id.split('/').slice(0, -1).join('.'),
        '@name': plain(`${id.split('/').at(-1)}: ${name}`),
        ...(result === 'differs' && {
          failure: { '@message': plain(`expected ${expected}`), '#text': plain(`got ${actual}`) },
        }),
        ...(result === 'not checked' && { skipped: { '@message': plain(why ?? '') } }),
      })),
    };
  });
  const builder = new XMLBuilder({ format: true, ignoreAttributes: false, attributeNamePrefix: '@' });
  return builder
    .build({ '?xml': { '@version': '1.0', '@encoding': 'UTF-8' }, testsuites: { testsuite: suites } })
    .trimEnd();
}

/** XML knows most control characters not even escaped. */
const plain = (text: string) => text.replace(/(?![\t\n\r])\p{Cc}|[\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd');
