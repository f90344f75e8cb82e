import type { Activity } from '../../client/types.ts';
import { formatTime, isPending, pluralize, statusClass } from '../components/format.ts';
import { Path } from '../components/path.tsx';
import { accountHref } from '../route.ts';
import { activity } from '../state/activity.ts';

const MAX_REQUESTS = 20;
/** Number of mistakes that are shown at once. */
const MAX_MISTAKES = 3;

const formatSecond = (timestamp: string) => formatTime(timestamp).slice(0, 8);

/** The latest requests of all accounts. */
export function RecentRequests() {
  const requests = activity.value?.requests ?? [];
  if (requests.length === 0) return null;
  return (
    <section class="recent" aria-label="Recent requests">
      <h2>Recent requests</h2>
      <ul class="plain">
        {requests.slice(0, MAX_REQUESTS).map((request) => (
          <li key={`${request.key} ${request.id}`}>
            <a class="recent-row" href={accountHref(request.key, 'requests', request.id)} title={request.requestId}>
              <span class="quiet">{formatSecond(request.receivedAt)}</span>{' '}
              <span class={`status ${statusClass(request)}`}>{isPending(request) ? '…' : (request.status ?? '–')}</span>{' '}
              <bdi class="mono clip">{request.key}</bdi> <Path {...request} />{' '}
              <span class="clip code">{request.errorCode}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

type Unauthorized = Activity['unauthorized'][number];

const REASONS: Record<Unauthorized['reason'], string> = {
  missing: 'no Authorization header',
  malformed: 'the Authorization header is not “Bearer” and a key',
  unknown: 'unknown key',
  revoked: 'revoked key',
};

interface Mistake extends Unauthorized {
  id: string;
  count: number;
}

/** Combines equal requests, of which a client with a wrong key sends many. */
function toMistakes(requests: readonly Unauthorized[]): Mistake[] {
  const mistakes = new Map<string, Mistake>();
  for (const request of requests) {
    const { method, path, key, reason } = request;
    const id = JSON.stringify([method, path, key, reason]);
    const known = mistakes.get(id);
    if (known) known.count += 1;
    else mistakes.set(id, { ...request, id, count: 1 });
  }
  return [...mistakes.values()];
}

/** The latest requests without a valid key, the most common mistake of a new client. */
export function UnauthorizedRequests() {
  const requests = activity.value?.unauthorized ?? [];
  if (requests.length === 0) return null;
  const mistakes = toMistakes(requests);
  const moreCount = mistakes.length - MAX_MISTAKES;
  return (
    <section class="finding unauthorized" aria-label="Requests without a valid key">
      <p>
        {pluralize(requests.length, 'request')} without a valid key got a 401. Keys that start with{' '}
        <code>np_test_</code> are valid unless auto-created accounts are switched off.
      </p>
      <ul class="plain">{mistakes.slice(0, MAX_MISTAKES).map(toItem)}</ul>
      {moreCount > 0 && (
        <details>
          <summary>{moreCount} more</summary>
          <ul class="plain">{mistakes.slice(MAX_MISTAKES).map(toItem)}</ul>
        </details>
      )}
    </section>
  );
}

const toItem = ({ id, requestId, receivedAt, method, path, key, reason, count }: Mistake) => (
  <li key={id} class="unauthorized-row" title={requestId}>
    <span class="quiet">{formatSecond(receivedAt)}</span> <Path method={method} path={path} />{' '}
    <span>
      {REASONS[reason]} {key !== null && <bdi class="mono">{key}</bdi>}
      {count > 1 && <span class="quiet"> × {count}</span>}
    </span>
  </li>
);
