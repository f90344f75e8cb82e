import type { JournalEntry, Task } from '../../client/types.ts';
import { Action, Choice, Copy, Form, Pop } from '../components/buttons.tsx';
import { answerOf, counted, dayAndTime, duration, isoOf, signed, timeOfDay } from '../components/format.ts';
import { Json } from '../components/json.tsx';
import { ResultFile } from '../components/media.tsx';
import { accountHref } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { accountPath, call } from '../state/api.ts';
import { contract } from '../state/contract.ts';
import { fieldsOf } from '../state/result-cache.ts';
import { endsAtMs } from '../timeline.ts';
import { advance } from './advance.ts';
import { exactNowOf, nowOf, stateOf, TaskBar } from './task-bar.tsx';

const OWN_CODE = 'GENERATION_FAILED';
/** What requests are told when there is no room for them, and tasks never. */
const FULL = 'SERVICE_UNAVAILABLE';

export function TaskDetail({ state, task }: { state: AccountState; task: Task }) {
  const { key } = state;
  const { id, family, plan, price, status, result } = task;
  const account = state.account.value!;
  const isRunning = status === 'processing';
  const nowMs = isRunning ? nowOf(state) : 0;
  const endMs = endsAtMs(task, account);
  const entries = state.ledger.items.value.filter((entry) => entry.taskId === id);
  const requests = state.requests.items.value.filter(({ taskIds }) => taskIds.includes(id));
  return (
    <article aria-label={`Task ${id}`}>
      <h2 class="mono">{id}</h2>
      <p>
        <span class={`state ${status}`}>{stateOf(task, account, nowMs)}</span>
        {isRunning && task.dueAt !== null && ` of ${duration(plan.endMs)}`} · {family} ·{' '}
        {price === 0 ? 'free' : counted(price, 'credit')}
      </p>
      <TaskBar task={task} account={account} nowMs={nowMs} scaleMs={plan.endMs} />
      {isRunning && (
        <div class="actions">
          <Action
            disabled={task.dueAt === null}
            do={() => advance(state, Date.parse(task.dueAt!) - exactNowOf(state))}
          >
            To its next step
          </Action>
          <Action disabled={endMs === undefined} do={() => advance(state, endMs! - exactNowOf(state))}>
            To its end
          </Action>
          <Action
            do={async () => {
              await call('POST', accountPath(key, `/tasks/${encodeURIComponent(id)}/complete`));
              return `Task ${id} has completed.`;
            }}
          >
            Complete now
          </Action>
          <Pop label="Fail …">{(close) => <FailForm state={state} task={task} onDone={close} />}</Pop>
        </div>
      )}
      {fieldsOf(task).map(([field, kind]) => (
        <figure key={field}>
          <ResultFile accountKey={key} task={task} field={field} kind={kind} />
          <figcaption>
            <span class="mono clip">{result![field]}</span>
            <Copy text={() => result![field]!} label={`Copy address of ${field}`}>
              Copy address
            </Copy>
          </figcaption>
        </figure>
      ))}
      {status === 'completed' && TEXTS.includes(family) && <WhereText state={state} requests={requests} />}
      <h3>Plan</h3>
      <ol class="steps">
        {plan.steps.map(({ name, atMs }) => (
          <li key={name} aria-current={isRunning && task.step === name ? 'step' : undefined}>
            <span>{name}</span> <span class="quiet">at {duration(atMs)}</span>
          </li>
        ))}
        <li>
          <span>
            {'errorCode' in plan.outcome ? `fails with ${plan.outcome.errorCode}` : plan.outcome.status}
          </span>{' '}
          <span class="quiet">
            {plan.outcome.status === 'hangs' ? 'never ends' : `at ${duration(plan.endMs)}`}
          </span>
        </li>
      </ol>
      <dl>
        <dt>Made at</dt>
        <dd>{dayAndTime(task.createdAt)}</dd>
        {isRunning && endMs !== undefined && (
          <>
            <dt>Ends at</dt>
            <dd>{dayAndTime(isoOf(endMs))}</dd>
          </>
        )}
        {task.finishedAt && (
          <>
            <dt>Ended at</dt>
            <dd>{dayAndTime(task.finishedAt)}</dd>
          </>
        )}
        {task.generationId && (
          <>
            <dt>Polled as</dt>
            <dd class="mono">{task.generationId}</dd>
          </>
        )}
      </dl>
      {entries.length > 0 && (
        <>
          <h3>Credits</h3>
          <ul class="plain">
            {entries.map((entry) => (
              <li key={entry.id}>
                {timeOfDay(entry.at)} <span class={`kind ${entry.kind}`}>{entry.kind}</span>{' '}
                {signed(entry.amount)}
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>Requests</h3>
      {requests.length === 0 && <p class="quiet">The journal has none.</p>}
      <ul class="plain">
        {requests.slice(-MOST_REQUESTS).map((entry) => (
          <li key={entry.id}>
            <a href={accountHref(key, 'requests', entry.id)}>
              {timeOfDay(entry.at)} {entry.path} → {answerOf(entry)}
            </a>
          </li>
        ))}
      </ul>
      {requests.length > MOST_REQUESTS && (
        <p class="quiet">{requests.length - MOST_REQUESTS} more before these.</p>
      )}
      <h3>Made of</h3>
      <Json value={task.input} label="What the task was made of" />
    </article>
  );
}

const MOST_REQUESTS = 50;

/** They give a text, which is told once, in the answer itself. */
const TEXTS: readonly Task['family'][] = ['prompt-generator', 'reverse-prompt'];

function WhereText({ state: { key }, requests: [first] }: { state: AccountState; requests: JournalEntry[] }) {
  if (!first) return <p class="quiet">Its text was an answer that the journal does not have.</p>;
  return (
    <p>
      Its text is in <a href={accountHref(key, 'requests', first.id)}>request {first.id}</a>.
    </p>
  );
}

function FailForm({ state, task, onDone }: { state: AccountState; task: Task; onDone: () => void }) {
  const { family, id } = task;
  const documented = contract.value?.endpoints.filter((endpoint) => endpoint.family === family) ?? [];
  const codes = documented.flatMap((endpoint) =>
    endpoint.codes.filter(({ status, code }) => status >= 500 && code !== FULL).map(({ code }) => code),
  );
  return (
    <Form
      label="Fail this task"
      submit="Fail it"
      onDone={onDone}
      do={async ({ error }) => {
        await call('POST', accountPath(state.key, `/tasks/${encodeURIComponent(id)}/fail`), { error });
        return `Task ${id} has failed, its credits are refunded.`;
      }}
    >
      <Choice label="With the code" name="error" options={[...new Set([OWN_CODE, ...codes])]} />
    </Form>
  );
}
