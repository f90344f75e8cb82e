import type { JournalEntry, Task } from '../../client/types.ts';
import { ActionButton, CopyButton, FormPopover, SelectField } from '../components/buttons.tsx';
import {
  formatDateTime,
  formatDuration,
  formatSigned,
  formatStatus,
  formatTime,
  pluralize,
  shortenId,
  toIsoString,
  truncate,
} from '../components/format.ts';
import { Json } from '../components/json.tsx';
import { ResultFile } from '../components/media.tsx';
import { accountHref } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { accountPath, requestAction } from '../state/api.ts';
import { contract } from '../state/contract.ts';
import { getResultFields } from '../state/result-cache.ts';
import { describeState, endsAtMs, summarize } from '../task-progress.ts';
import { advance } from './advance.ts';
import { currentTimeMs, exactTimeMs, TaskBar } from './task-bar.tsx';

const MAX_TITLE_LENGTH = 120;
const DEFAULT_CODE = 'GENERATION_FAILED';
/** A documented code that tasks cannot fail with: requests get it when a concurrency limit is reached. */
const OVERLOADED_CODE = 'SERVICE_UNAVAILABLE';

export function TaskDetail({ state, task }: { state: AccountState; task: Task }) {
  const { key } = state;
  const { id, family, plan, price, status, result } = task;
  const account = state.account.value!;
  const isRunning = status === 'processing';
  const nowMs = isRunning ? currentTimeMs(state) : 0;
  const endMs = endsAtMs(task, account);
  const previousShot = state.previousShots.value.get(id);
  const entries = state.ledger.items.value.filter((entry) => entry.taskId === id);
  const requests = state.requests.items.value.filter(({ taskIds }) => taskIds.includes(id));
  return (
    <article aria-label={`Task ${id}`}>
      <h2>
        <bdi>{truncate(summarize(task), MAX_TITLE_LENGTH)}</bdi>
      </h2>
      <p class="actions">
        <span class="mono" title={id}>
          {shortenId(id)}
        </span>
        <CopyButton text={() => id} label="Copy id of the task">
          Copy id
        </CopyButton>
      </p>
      <p>
        <bdi class={`state ${status}`}>{describeState(task, account, nowMs, previousShot)}</bdi>
        {isRunning && task.dueAt !== null && ` of ${formatDuration(plan.endMs)}`} · {family} ·{' '}
        {price === 0 ? 'free' : pluralize(price, 'credit')}
      </p>
      <TaskBar task={task} account={account} nowMs={nowMs} scaleMs={plan.endMs} />
      {isRunning && (
        <div class="actions">
          <ActionButton
            disabled={task.dueAt === null}
            do={() => advance(state, Date.parse(task.dueAt!) - exactTimeMs(state))}
          >
            To its next step
          </ActionButton>
          <ActionButton disabled={endMs === undefined} do={() => advance(state, endMs! - exactTimeMs(state))}>
            To its end
          </ActionButton>
          <ActionButton do={() => requestAction('POST', actionPath(key, id, 'complete'), `Task ${id} completed.`)}>
            Complete now
          </ActionButton>
          <FailForm accountKey={key} task={task} />
        </div>
      )}
      {getResultFields(task).map(([field, kind]) => (
        <figure key={field}>
          <ResultFile accountKey={key} task={task} field={field} kind={kind} />
          <figcaption>
            <span class="mono clip">{result![field]}</span>
            <CopyButton text={() => result![field]!} label={`Copy address of ${field}`}>
              Copy address
            </CopyButton>
          </figcaption>
        </figure>
      ))}
      {status === 'completed' && TEXT_FAMILIES.includes(family) && <TextLocation state={state} requests={requests} />}
      <h3>Plan</h3>
      <ol class="steps">
        {plan.steps.map(({ name, atMs }) => (
          <li key={name} aria-current={isRunning && task.step === name ? 'step' : undefined}>
            <span>{name}</span> <span class="quiet">at {formatDuration(atMs)}</span>
          </li>
        ))}
        <li>
          <span>{'errorCode' in plan.outcome ? `fails with ${plan.outcome.errorCode}` : plan.outcome.status}</span>{' '}
          <span class="quiet">
            {plan.outcome.status === 'hangs' ? 'never ends' : `at ${formatDuration(plan.endMs)}`}
          </span>
        </li>
      </ol>
      <dl>
        <Fact name="Created at">{formatDateTime(task.createdAt)}</Fact>
        {isRunning && endMs !== undefined && <Fact name="Finishes at">{formatDateTime(toIsoString(endMs))}</Fact>}
        {task.finishedAt && <Fact name="Finished at">{formatDateTime(task.finishedAt)}</Fact>}
        {previousShot && (
          <>
            <dt>Waits for</dt>
            <dd>
              <a href={accountHref(key, 'tasks', previousShot.id)}>
                shot <bdi>{String(previousShot.input.id)}</bdi>
              </a>
            </dd>
          </>
        )}
        {task.generationId && (
          <Fact name="Generation id" class="mono">
            {task.generationId}
          </Fact>
        )}
      </dl>
      {entries.length > 0 && (
        <>
          <h3>Credits</h3>
          <ul class="plain">
            {entries.map((entry) => (
              <li key={entry.id}>
                {formatTime(entry.at)} <span class={`kind ${entry.kind}`}>{entry.kind}</span>{' '}
                {formatSigned(entry.amount)}
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>Requests</h3>
      {requests.length === 0 && <p class="quiet">None in the journal.</p>}
      <ul class="plain">
        {requests.slice(-MAX_REQUESTS).map((entry) => (
          <li key={entry.id}>
            <a href={accountHref(key, 'requests', entry.id)}>
              {formatTime(entry.at)} {entry.path} → {formatStatus(entry)}
            </a>
          </li>
        ))}
      </ul>
      {requests.length > MAX_REQUESTS && <p class="quiet">{requests.length - MAX_REQUESTS} earlier requests.</p>}
      <h3>Input</h3>
      <Json value={task.input} label="Task input" />
    </article>
  );
}

const actionPath = (key: string, id: string, action: 'complete' | 'fail') =>
  accountPath(key, `/tasks/${encodeURIComponent(id)}/${action}`);

const Fact = ({ name, ...description }: { name: string; class?: string; children: string }) => (
  <>
    <dt>{name}</dt>
    <dd {...description} />
  </>
);

const MAX_REQUESTS = 50;

/** Families whose result is a text, sent only in the response to the request itself. */
const TEXT_FAMILIES: readonly Task['family'][] = ['prompt-generator', 'reverse-prompt'];

function TextLocation({ state: { key }, requests: [first] }: { state: AccountState; requests: JournalEntry[] }) {
  if (!first) return <p class="quiet">Its text was sent in a response that is not in the journal.</p>;
  return (
    <p>
      Its text is in <a href={accountHref(key, 'requests', first.id)}>request {first.id}</a>.
    </p>
  );
}

function FailForm({ accountKey, task: { family, id } }: { accountKey: string; task: Task }) {
  const documented = contract.value?.endpoints.filter((endpoint) => endpoint.family === family) ?? [];
  const codes = documented.flatMap((endpoint) =>
    endpoint.codes.filter(({ status, code }) => status >= 500 && code !== OVERLOADED_CODE).map(({ code }) => code),
  );
  return (
    <FormPopover
      button="Fail …"
      label="Fail this task"
      submit="Fail"
      do={({ error }) =>
        requestAction('POST', actionPath(accountKey, id, 'fail'), `Task ${id} failed; its credits were refunded.`, {
          error,
        })
      }
    >
      <SelectField label="Error code" name="error" options={[...new Set([DEFAULT_CODE, ...codes])]} />
    </FormPopover>
  );
}
