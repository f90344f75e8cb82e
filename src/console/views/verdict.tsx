import { accountHref } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { isReadOnly } from '../state/read-only.ts';

const MAX_LINKS = 30;

/** Advice for each finding, by its code. */
const ADVICE: Record<string, string> = {
  POLLED_TOO_OFTEN: 'Wait at least the recommended interval between polls.',
  POLLED_AFTER_END: 'Stop polling once the status is completed or failed.',
  IGNORED_RETRY_AFTER: 'After a 429, wait for the number of seconds in Retry-After.',
  RETRIED_WITHOUT_BACKOFF: 'After each failure, wait longer before the next attempt, and give up after a few.',
  DUPLICATE_SUBMIT: 'Each submission is charged: look for the first task before submitting again.',
  PAID_TWICE:
    'A request whose response was lost may have been charged: allow more time, and let a person decide on a retry.',
  NEVER_COLLECTED: 'The task was charged, but its result was never requested.',
  FETCHED_AFTER_EXPIRY: 'Download a result as soon as its task completes, and store it: its URL expires.',
  UNDOCUMENTED_FIELD: 'The real service may reject the field or interpret it differently.',
};

export function VerdictView({ state }: { state: AccountState }) {
  const { key } = state;
  const verdict = state.verdict.value.value;
  const isEmpty = state.requests.items.value.length === 0;
  if (verdict === null && isReadOnly()) return <p class="quiet">The file has no verdict.</p>;
  if (!verdict || !state.requests.isLoaded.value) return <p class="quiet">Loading …</p>;
  return (
    <section class="sheet" aria-label="Verdict">
      {verdict.ok && isEmpty ? (
        <p>The journal is empty: there is nothing to check.</p>
      ) : (
        <p class={verdict.ok ? 'good-news' : ''}>
          {verdict.ok ? 'No findings about this client.' : 'Findings about this client:'}
        </p>
      )}
      {verdict.findings.map(({ code, message, requests }) => (
        <article class="finding" key={`${code} ${message}`}>
          <h2>
            <code>{code}</code>
          </h2>
          <p>
            <bdi>{message}</bdi>
          </p>
          {ADVICE[code] && <p class="quiet">{ADVICE[code]}</p>}
          <p>
            {requests.slice(0, MAX_LINKS).map((id) => (
              <a class="request-link" key={id} href={accountHref(key, 'requests', id)}>
                request {id}
              </a>
            ))}
            {requests.length > MAX_LINKS && <span class="quiet">and {requests.length - MAX_LINKS} more</span>}
          </p>
        </article>
      ))}
    </section>
  );
}
