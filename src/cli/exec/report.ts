import type { App } from '../../http/context.ts';

interface LedgerEntry {
  id: string;
  kind: string;
  amount: number;
  balance: number;
  taskId: string | null;
  reason: string | null;
}

interface Finding {
  code: string;
  message: string;
  requests: string[];
}

export interface Report {
  text: string;
  findings: number;
}

/**
 * What the control plane tells of every account that was called, its ledger and the verdict on its client, and how many requests
 * no account was found for.
 */
export async function reportOn(app: App, adminToken: string | undefined): Promise<Report> {
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  const ask = async (path: string): Promise<any> => {
    const headers = adminToken === undefined ? {} : { 'x-admin-token': adminToken };
    return (await app.inject({ url: `/__admin${path}`, headers })).json();
  };
  const all = async (path: string, list: string) => {
    const items = [];
    for (let next: string | null = ''; next !== null; ) {
      const page = await ask(`${path}?limit=1000${next && `&after=${encodeURIComponent(next)}`}`);
      items.push(...page[list]);
      next = page.next;
    }
    return items;
  };

  const parts: string[] = [];
  let count = 0;
  for (const { key } of await all('/accounts', 'accounts')) {
    const of = `/accounts/${encodeURIComponent(key)}`;
    const { count: requests } = await ask(`${of}/requests/count`);
    if (requests === 0) continue;
    const { balance, held } = await ask(`${of}/ledger?limit=1`);
    const entries: LedgerEntry[] = await all(`${of}/ledger`, 'entries');
    const { findings }: { findings: Finding[] } = await ask(`${of}/verdict`);
    count += findings.length;
    parts.push(
      `${key}: ${requests} requests, ${balance} credits left, ${held} held`,
      ...entries.map(lineOf),
      findings.length === 0 ? '  verdict: nothing to complain of' : `  verdict: ${findings.length} findings`,
      ...findings.map(
        ({ code, message, requests }) => `    ${code}: ${message} Requests ${requests.join(', ')}.`,
      ),
    );
  }
  if (parts.length === 0) parts.push('No request with a key of its own reached the emulator.');
  const { payload } = await app.inject('/metrics');
  const refused = Number(/^nanophoto_unauthorized_total (\d+)$/m.exec(payload)?.[1]);
  if (refused > 0) parts.push(`${refused} requests were 401: their key is not known, or they had none.`);
  return { text: parts.join('\n'), findings: count };
}

function lineOf({ id, kind, amount, balance, taskId, reason }: LedgerEntry): string {
  const signed = amount > 0 ? `+${amount}` : String(amount);
  const columns = [id.padStart(4), kind.padEnd(7), signed.padStart(7), String(balance).padStart(8)];
  return `  ${columns.join(' ')}  ${[taskId, reason].filter(Boolean).join(' ')}`.trimEnd();
}
