import { useEffect, useState } from 'preact/hooks';
import type { Account, Verdict } from '../../client/types.ts';
import { pluralize } from '../components/format.ts';
import { accountPath } from '../state/api.ts';
import { createResource, type Resource } from '../state/resource.ts';
import { schedule } from '../time.ts';

/** Delays the first read, so that rows that are scrolled past read nothing. */
const SCROLL_DEBOUNCE_MS = 150;

/** The number of findings about the client of an account; read again when the account has changed. */
export function VerdictSummary({ account, isUsed }: { account: Account; isUsed: boolean }) {
  const { key } = account;
  const [resource, setResource] = useState<Resource<Verdict>>();
  useEffect(() => {
    const created = createResource<Verdict>(accountPath(key, '/verdict'));
    const cancel = schedule(SCROLL_DEBOUNCE_MS, () => setResource(created));
    return () => {
      cancel();
      created.stop();
    };
  }, [key]);
  useEffect(() => {
    if (isUsed) resource?.refresh();
  }, [resource, account, isUsed]);
  // A file may have no verdict.
  const verdict = isUsed ? resource?.value.value : undefined;
  if (!verdict) return <span class="quiet none">–</span>;
  if (verdict.ok) return <span class="good-news">no findings</span>;
  return <span class="bad">{pluralize(verdict.findings.length, 'finding')}</span>;
}
