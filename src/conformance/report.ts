import { XMLBuilder } from 'fast-xml-parser';
import { escapeControlChars, toPrintableJson } from '../core/control-chars.ts';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { CaseOutcome } from './runner.ts';

export interface VerifyReport {
  url: string;
  /** Whether the server has a control plane, so that every case had its own account. */
  isControlled: boolean;
  at: string;
  creditsSpent: number;
  outcomes: readonly CaseOutcome[];
}

export const FORMATS = ['human', 'json', 'junit'] as const;
export type Format = (typeof FORMATS)[number];

const PROVENANCE_LABELS: Record<Provenance, string> = {
  documented: 'by the vendor',
  observed: 'in public clients',
  assumed: 'by this emulator',
};
const RESULTS = ['holds', 'differs', 'not checked'] as const;

export const countOutcomes = (
  { outcomes }: VerifyReport,
  result: CaseOutcome['result'],
  provenance?: Provenance,
): number =>
  outcomes.filter((one) => one.result === result && (provenance ?? one.provenance) === one.provenance).length;

export function formatReport(report: VerifyReport, format: Format): string {
  switch (format) {
    case 'json':
      return toJson(report);
    case 'junit':
      return toJUnit(report);
    case 'human':
      return toText(report);
  }
}

function toText(report: VerifyReport): string {
  const { url, isControlled, outcomes, creditsSpent } = report;
  const lines = [`${url}, ${isControlled ? 'with an account for each case' : 'without a control plane'}`];
  for (const provenance of Object.keys(PROVENANCE_LABELS) as Provenance[]) {
    const ownOutcomes = outcomes.filter((one) => one.provenance === provenance);
    if (ownOutcomes.length === 0) continue;
    lines.push('', `${provenance} ${PROVENANCE_LABELS[provenance]}`, ...ownOutcomes.flatMap(formatOutcome));
  }
  const counts = (provenance?: Provenance) =>
    RESULTS.map((result) => String(countOutcomes(report, result, provenance)).padStart(13)).join('');
  lines.push('', `${' '.repeat(28)}${RESULTS.map((result) => result.padStart(13)).join('')}`);
  for (const provenance of Object.keys(PROVENANCE_LABELS) as Provenance[])
    lines.push(`${`${provenance} ${PROVENANCE_LABELS[provenance]}`.padEnd(28)}${counts(provenance)}`);
  lines.push(`${'all'.padEnd(28)}${counts()}`);
  if (!isControlled) lines.push('', `${creditsSpent} credits spent`);
  return lines.join('\n');
}

function formatOutcome({ id, name, result, expected, actual, why }: CaseOutcome): string[] {
  switch (result) {
    case 'holds':
      return [`  holds        ${id}: ${name}`];
    case 'differs':
      return [
        `  DIFFERS      ${id}: ${name}`,
        `                 expected ${escapeControlChars(expected ?? '')}`,
        `                 got      ${escapeControlChars(actual ?? '')}`,
      ];
    case 'not checked':
      return [`  not checked  ${id}: ${escapeControlChars(why ?? '')}`];
  }
}

function toJson(report: VerifyReport): string {
  const totals = Object.fromEntries(
    (Object.keys(PROVENANCE_LABELS) as Provenance[]).map((provenance) => [
      provenance,
      Object.fromEntries(RESULTS.map((result) => [result, countOutcomes(report, result, provenance)])),
    ]),
  );
  return toPrintableJson({ ...report, totals });
}

/** Formats the report for Jenkins, GitLab and other CI servers, with one test suite per provenance. */
function toJUnit(report: VerifyReport): string {
  const suites = (Object.keys(PROVENANCE_LABELS) as Provenance[]).map((provenance) => {
    const ownOutcomes = report.outcomes.filter((one) => one.provenance === provenance);
    return {
      '@name': `${provenance} ${PROVENANCE_LABELS[provenance]}`,
      '@tests': ownOutcomes.length,
      '@failures': countOutcomes(report, 'differs', provenance),
      '@skipped': countOutcomes(report, 'not checked', provenance),
      '@timestamp': report.at,
      testcase: ownOutcomes.map(({ id, name, result, expected, actual, why }) => ({
        '@classname': id.split('/').slice(0, -1).join('.'),
        '@name': toXmlText(`${id.split('/').at(-1)}: ${name}`),
        ...(result === 'differs' && {
          failure: { '@message': toXmlText(`expected ${expected}`), '#text': toXmlText(`got ${actual}`) },
        }),
        ...(result === 'not checked' && { skipped: { '@message': toXmlText(why ?? '') } }),
      })),
    };
  });
  const builder = new XMLBuilder({ format: true, ignoreAttributes: false, attributeNamePrefix: '@' });
  return builder
    .build({ '?xml': { '@version': '1.0', '@encoding': 'UTF-8' }, testsuites: { testsuite: suites } })
    .trimEnd();
}

/** Replaces the characters that XML does not allow, not even escaped. */
const toXmlText = (text: string) => text.replace(/(?![\t\n\r])\p{Cc}|[\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd');
