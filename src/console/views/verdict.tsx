import { accountHref } from '../route.ts';
import type { AccountState } from '../state/account.ts';

const MAX_LINKS = 30;

/** What each finding means for the client, and what to do about it. */
const ADVICE: Record<string, string> = {
  POLLED_TOO_OFTEN: 'Wait as long between polls as the page of the API advises.',
  POLLED_AFTER_END: 'Stop polling when an answer says completed or failed.',
  IGNORED_RETRY_AFTER: 'After a 429, wait for as many seconds as retry-after says.',
  DUPLICATE_SUBMIT: 'Each submission is paid for: look for the first task before sending the job again.',
  NEVER_COLLECTED: 'A finished task was paid for and its result was never asked for.',
  UNDOCUMENTED_FIELD: 'The real service may refuse it or do something else with it.',
};

export function Verdict({ state }: { state: AccountState }) {
  const { key } = state;
  const verdict = state.verdict.value.value;
  const isEmpty = state.requests.items.value.length === 0;
  if (!verdict || !state.requests.isLoaded.value) return <p class="quiet">Loading …</p>;
  return (
    <section class="sheet" aria-label="Verdict">
      {verdict.ok && isEmpty ? (
        <p>The journal is empty: there is nothing to judge.</p>
      ) : (
        <p class={verdict.ok ? 'good-news' : ''}>
          {verdict.ok
            ? 'The journal has nothing against this client’s manners.'
            : 'What the journal says about this client’s manners:'}
        </p>
      )}
      {verdict.findings.map(({ code, message, requests }) => (
        <article class="finding" key={`${code} ${message}`}>
          <h3>
            <code>{code}</code>
          </h3>
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
