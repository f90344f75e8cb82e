import type { Control } from '../../client/api.ts';
import type { LedgerEntry } from '../../client/types.ts';
import { toPrintableLine } from '../../core/control-chars.ts';
import type { App } from '../../http/context.ts';

/**
 * Reports, for every account that received requests, its ledger and the lint findings about its client, and how many
 * requests were unauthorized. All of it comes from the control plane.
 */
export async function createReport(app: App, control: Control): Promise<{ text: string; findingCount: number }> {
  const lines: string[] = [];
  let findingCount = 0;
  for (const { key } of await control.accounts.list()) {
    const account = control.account(key);
    const requests = await account.requests.count();
    if (requests === 0) continue;
    const { balance, held, entries } = await account.ledger();
    const { findings } = await account.verdict();
    findingCount += findings.length;
    lines.push(
      `${key}: ${pluralize(requests, 'request')}, ${balance} credits left, ${held} held`,
      ...entries.map(formatEntry),
      `  verdict: ${findings.length === 0 ? 'no findings' : pluralize(findings.length, 'finding')}`,
      ...findings.map(({ code, message, requests }) => `    ${code}: ${message} Requests ${requests.join(', ')}.`),
    );
  }
  if (lines.length === 0) lines.push('No request with a known key reached the emulator.');
  const { payload } = await app.inject('/metrics');
  const unauthorized = Number(/^nanophoto_unauthorized_total (\d+)$/m.exec(payload)?.[1]);
  if (unauthorized > 0) lines.push(`${pluralize(unauthorized, 'request')} with an unknown or missing key got 401.`);
  // Findings quote the client.
  return { text: lines.map(toPrintableLine).join('\n'), findingCount };
}

export const pluralize = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

function formatEntry({ id, kind, amount, balance, taskId, reason }: LedgerEntry): string {
  const signedAmount = amount > 0 ? `+${amount}` : String(amount);
  const columns = [id.padStart(4), kind.padEnd(7), signedAmount.padStart(7), String(balance).padStart(8)];
  return `  ${columns.join(' ')}  ${[taskId, reason].filter(Boolean).join(' ')}`.trimEnd();
}
