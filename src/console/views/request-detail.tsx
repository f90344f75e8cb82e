import type { JournalEntry } from '../../client/types.ts';
import { CopyButton } from '../components/buttons.tsx';
import { formatDateTime, formatDuration, formatStatus, statusClass } from '../components/format.ts';
import { Json } from '../components/json.tsx';
import { toCurl } from '../curl.ts';
import { accountHref } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { ORIGIN } from '../state/api.ts';
import { docsHref, findEndpoint } from '../state/contract.ts';
import { TaskName } from './task-name.tsx';

export function RequestDetail({ state, entry }: { state: AccountState; entry: JournalEntry }) {
  const { key } = state;
  const findings = (state.verdict.value.value?.findings ?? []).filter(({ requests }) => requests.includes(entry.id));
  const endpoint = findEndpoint(entry.path);
  return (
    <article aria-label={`Request ${entry.id}`}>
      <h2>
        {entry.method} <bdi>{entry.path}</bdi>
      </h2>
      <p>
        <span class={`status ${statusClass(entry)}`}>{formatStatus(entry)}</span>{' '}
        {entry.errorCode !== null && <Code entry={entry} />} · {formatDateTime(entry.at)} UTC
        {entry.durationMs !== null && ` · ${formatDuration(entry.durationMs)}`}
      </p>
      <p class="actions">
        <span>
          Request id <bdi class="mono">{entry.requestId}</bdi>
        </span>
        <CopyButton text={() => entry.requestId} label="Copy id of the request">
          Copy id
        </CopyButton>
      </p>
      <div class="actions">
        <CopyButton text={() => toCurl(entry, key, ORIGIN)}>Copy as curl</CopyButton>
        {endpoint && (
          <a class="button" href={docsHref(endpoint)} target="_blank" rel="noreferrer">
            API reference: {endpoint.summary}
          </a>
        )}
      </div>
      {entry.request.truncated && (
        <p class="quiet">The journal has only the beginning of the body, so the curl command is incomplete.</p>
      )}
      {entry.fault !== null && (
        <p class="finding">
          Injected fault: <bdi>{describeFaults(entry.fault)}</bdi>. <a href={accountHref(key, 'faults')}>Fault rules</a>
        </p>
      )}
      {entry.warnings.map((warning) => (
        <p class="finding" key={warning}>
          <bdi>{warning}</bdi>
        </p>
      ))}
      {findings.map(({ code, message }) => (
        <p class="finding" key={message}>
          <a href={accountHref(key, 'verdict')}>{code}</a> <bdi>{message}</bdi>
        </p>
      ))}
      {entry.taskIds.length > 0 && (
        <p>
          {entry.taskIds.map((id) => (
            <a key={id} class="task-link" href={accountHref(key, 'tasks', id)} title={id}>
              <TaskName state={state} id={id} />
            </a>
          ))}
        </p>
      )}
      <div class="sides">
        <MessagePane title="Request" message={entry.request} />
        <MessagePane title="Response" message={entry.response} />
      </div>
    </article>
  );
}

/** Describes the applied faults. The journal records rules by their ids and directives by their texts. */
const describeFaults = (fault: string): string =>
  fault
    .split('; ')
    .map((one) => (/^\d+$/.test(one) ? `rule ${one}` : one))
    .join('; ');

/** An error code; links to the API reference if the endpoint documents it. */
function Code({ entry: { path, status, errorCode } }: { entry: JournalEntry }) {
  const endpoint = findEndpoint(path);
  const documented = endpoint?.codes.find(({ code }) => code === errorCode);
  if (!endpoint || !documented) return <code>{errorCode}</code>;
  const isDocumentedStatus = documented.status === status;
  return (
    <a
      href={docsHref(endpoint, documented.status)}
      target="_blank"
      rel="noreferrer"
      title={`Documented for ${path}${isDocumentedStatus ? '' : ` with status ${documented.status}`}`}
    >
      <code>{errorCode}</code>
    </a>
  );
}

function MessagePane({
  title,
  message,
}: {
  title: string;
  message: JournalEntry['request'] | JournalEntry['response'];
}) {
  const headers = Object.entries(message.headers);
  return (
    <section class="side" aria-label={title}>
      <h3>{title}</h3>
      <details>
        <summary>{headers.length === 1 ? '1 header' : `${headers.length} headers`}</summary>
        <dl class="headers">
          {headers.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi>{[value].flat().join(', ')}</bdi>
              </dd>
            </div>
          ))}
        </dl>
      </details>
      {message.body === null ? <p class="quiet">No body.</p> : <Json value={message.body} label={`${title} body`} />}
      {message.truncated && <p class="quiet">Truncated after 16 KB.</p>}
    </section>
  );
}
