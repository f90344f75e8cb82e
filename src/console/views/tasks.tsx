import { useMemo, useState } from 'preact/hooks';
import type { Task } from '../../client/types.ts';
import { SelectField } from '../components/buttons.tsx';
import { pluralize, truncate } from '../components/format.ts';
import { ListDetail } from '../components/list-detail.tsx';
import { Thumbnail } from '../components/media.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, navigate } from '../route.ts';
import { type AccountState, isUntouched } from '../state/account.ts';
import { describeState, summarize } from '../task-progress.ts';
import { FirstRun } from './first-run.tsx';
import { currentTimeMs, TaskBar } from './task-bar.tsx';
import { TaskDetail } from './task-detail.tsx';

const ROW_PX = 64;
const ALL = 'all';
/** Longer texts never fit into a row. */
const MAX_TEXT_LENGTH = 300;

export function TasksView({ state, id }: { state: AccountState; id: string | undefined }) {
  const { key } = state;
  const all = state.tasks.items.value;
  const [status, setStatus] = useState(ALL);
  const [query, setQuery] = useState('');
  const filtered = useMemo(() => {
    const text = query.toLowerCase();
    const matches = (task: Task) =>
      (status === ALL || task.status === status) &&
      (text === '' || `${task.id} ${task.family} ${summarize(task)}`.toLowerCase().includes(text));
    return all.filter(matches).reverse();
  }, [all, status, query]);
  const scaleMs = useMemo(() => all.reduce((maxMs, { plan }) => Math.max(maxMs, plan.endMs), 0), [all]);
  const account = state.account.value;
  const selected = id === undefined ? undefined : all.find((task) => task.id === id);
  if (!account) return null;

  return (
    <ListDetail
      list={
        <>
          <div class="filters">
            <input
              type="search"
              aria-label="Find tasks"
              placeholder="Find in prompts, ids, families"
              onInput={(event) => setQuery(event.currentTarget.value)}
            />
            <SelectField
              label="Status"
              name="status"
              value={status}
              options={[ALL, 'processing', 'completed', 'failed']}
              onChange={setStatus}
            />
            <span class="quiet">{pluralize(filtered.length, 'task')}</span>
          </div>
          <VirtualList
            label="Tasks, newest first"
            items={filtered}
            getId={(task) => task.id}
            rowPx={ROW_PX}
            openId={id}
            onOpen={(task) => navigate(accountHref(key, 'tasks', task.id))}
            renderRow={(task) => <Row state={state} task={task} scaleMs={scaleMs} />}
            empty={<Empty state={state} />}
          />
        </>
      }
      detail={selected && <TaskDetail key={selected.id} state={state} task={selected} />}
      isOpen={id !== undefined}
      backHref={accountHref(key, 'tasks')}
      hint="Select a task to see its plan, credits and result."
      missing={state.tasks.isLoaded.value ? `Task ${id} not found.` : 'Loading …'}
    />
  );
}

/** Reads the clock itself, so that a tick only re-renders the rows and not the list. */
function Row({ state, task, scaleMs }: { state: AccountState; task: Task; scaleMs: number }) {
  const account = state.account.value;
  if (!account) return null;
  const nowMs = task.status === 'processing' ? currentTimeMs(state) : 0;
  return (
    <span class="task-row">
      <Thumbnail accountKey={state.key} task={task} />
      <span class="task-title">
        <bdi class="clip">{truncate(summarize(task), MAX_TEXT_LENGTH)}</bdi>
        <span class="quiet clip">
          {task.family}
          {task.family === 'veo-3' && (
            <>
              {' '}
              · shot <bdi>{String(task.input.id)}</bdi>
            </>
          )}
        </span>
      </span>
      <span class="task-progress">
        <TaskBar task={task} account={account} nowMs={nowMs} scaleMs={scaleMs} />
        <bdi class={`state clip ${task.status}`}>
          {describeState(task, account, nowMs, state.previousShots.value.get(task.id))}
        </bdi>
      </span>
      <span class="price">{task.price === 0 ? 'free' : `${task.price} cr`}</span>
    </span>
  );
}

function Empty({ state }: { state: AccountState }) {
  const { tasks, requests } = state;
  if (!tasks.isLoaded.value || !requests.isLoaded.value) return <>Loading …</>;
  if (tasks.items.value.length > 0) return <>No matching task.</>;
  return isUntouched(state) ? <FirstRun accountKey={state.key} /> : <>No tasks yet.</>;
}
