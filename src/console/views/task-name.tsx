import { shortenId, truncate } from '../components/format.ts';
import type { AccountState } from '../state/account.ts';
import { summarize } from '../task-progress.ts';

/** Longer texts never fit into a row. */
const MAX_TEXT_LENGTH = 300;

/** The prompt of a task with its id; only the id if the task is gone. */
export function TaskName({ state: { tasks }, id }: { state: AccountState; id: string }) {
  // Subscribes to the list, which may get the task later.
  const task = tasks.items.value.length > 0 ? tasks.find(id) : undefined;
  return (
    <span class="task-name" title={id}>
      {task && <bdi class="clip">{truncate(summarize(task), MAX_TEXT_LENGTH)}</bdi>}{' '}
      <span class="mono quiet">{shortenId(id)}</span>
    </span>
  );
}
