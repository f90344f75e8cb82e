import { useMemo, useState } from 'preact/hooks';
import type { Task } from '../../client/types.ts';
import { Choice } from '../components/buttons.tsx';
import { beginning, counted } from '../components/format.ts';
import { Split } from '../components/list-detail.tsx';
import { Thumbnail } from '../components/media.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, goTo } from '../route.ts';
import { type AccountState, isUntouched } from '../state/account.ts';
import { FirstRun } from './first-run.tsx';
import { nowOf, stateOf, TaskBar } from './task-bar.tsx';
import { TaskDetail } from './task-detail.tsx';

const ROW_PX = 64;
const ALL = 'all';
/** More has no room in any row. */
const MOST_OF_TEXT = 300;

const textOf = ({ input }: Task): string => {
  const said =
    input.prompt ?? input.topic ?? input.adTheme ?? input.videoUrl ?? input.videoFileName ?? input.share_link;
  return typeof said === 'string' ? said : JSON.stringify(input);
};

export function Tasks({ state, id }: { state: AccountState; id: string | undefined }) {
  const { key } = state;
  const all = state.tasks.items.value;
  const [status, setStatus] = useState(ALL);
  const [wanted, setWanted] = useState('');
  const shown = useMemo(() => {
    const text = wanted.toLowerCase();
    const fits = (task: Task) =>
      (status === ALL || task.status === status) &&
      (text === '' || `${task.id} ${task.family} ${textOf(task)}`.toLowerCase().includes(text));
    return all.filter(fits).reverse();
  }, [all, status, wanted]);
  const scaleMs = useMemo(() => all.reduce((most, { plan }) => Math.max(most, plan.endMs), 0), [all]);
  const account = state.account.value;
  const open = id === undefined ? undefined : all.find((task) => task.id === id);
  if (!account) return null;

  return (
    <Split
      list={
        <>
          <div class="filters">
            <input
              type="search"
              aria-label="Find tasks"
              placeholder="Find in prompts, ids, families"
              onInput={(event) => setWanted(event.currentTarget.value)}
            />
            <Choice
              label="Status"
              name="status"
              value={status}
              options={[ALL, 'processing', 'completed', 'failed']}
              onChange={setStatus}
            />
            <span class="quiet">{counted(shown.length, 'task')}</span>
          </div>
          <VirtualList
            label="Tasks, newest first"
            items={shown}
            idOf={(task) => task.id}
            rowPx={ROW_PX}
            open={id}
            onOpen={(task) => goTo(accountHref(key, 'tasks', task.id))}
            row={(task) => <Row state={state} task={task} scaleMs={scaleMs} />}
            empty={<Empty state={state} />}
          />
        </>
      }
      detail={open && <TaskDetail key={open.id} state={state} task={open} />}
      isOpen={id !== undefined}
      backHref={accountHref(key, 'tasks')}
      hint="Choose a task to see its plan, its credits and what came of it."
      missing={state.tasks.isWhole.value ? `There is no task ${id}.` : 'Loading …'}
    />
  );
}

/** Reads the clock by itself, so that a beat draws bars and not lists. */
function Row({ state, task, scaleMs }: { state: AccountState; task: Task; scaleMs: number }) {
  const account = state.account.value;
  if (!account) return null;
  const nowMs = task.status === 'processing' ? nowOf(state) : 0;
  return (
    <span class="task-row">
      <Thumbnail accountKey={state.key} task={task} />
      <span class="task-what">
        <bdi class="clip">{beginning(textOf(task), MOST_OF_TEXT)}</bdi>
        <span class="quiet clip">{task.family}</span>
      </span>
      <span class="task-how">
        <TaskBar task={task} account={account} nowMs={nowMs} scaleMs={scaleMs} />
        <span class={`state clip ${task.status}`}>{stateOf(task, account, nowMs)}</span>
      </span>
      <span class="price">{task.price === 0 ? 'free' : `${task.price} cr`}</span>
    </span>
  );
}

function Empty({ state }: { state: AccountState }) {
  const { tasks, requests } = state;
  if (!tasks.isWhole.value || !requests.isWhole.value) return <>Loading …</>;
  if (tasks.items.value.length > 0) return <>No task is like this.</>;
  return isUntouched(state) ? <FirstRun accountKey={state.key} /> : <>No tasks yet.</>;
}
