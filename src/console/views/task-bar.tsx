import type { Account, Task } from '../../client/types.ts';
import type { AccountState } from '../state/account.ts';
import { accountNowMs, simulatedMs } from '../task-progress.ts';
import { tickMs, wallMs } from '../time.ts';

/** The account's current time. Updates with each tick if its clock is real. */
export function currentTimeMs({ account, readAtMs }: AccountState): number {
  const loaded = account.value;
  if (!loaded) return 0;
  return accountNowMs(loaded, loaded.clock.mode === 'real' ? Math.max(tickMs(), readAtMs.value) - readAtMs.value : 0);
}

/** The account's current time to the millisecond, for computing how far to advance; does not update by itself. */
export const exactTimeMs = ({ account, readAtMs }: AccountState): number =>
  accountNowMs(account.peek()!, wallMs() - readAtMs.peek());

interface Props {
  task: Task;
  account: Account;
  nowMs: number;
  /** Length of the longest plan, so that all bars have the same scale. */
  scaleMs: number;
}

/** A task's plan as a bar, with its steps and progress. */
export function TaskBar({ task, account, nowMs, scaleMs }: Props) {
  const { plan, status } = task;
  const elapsedMs = Math.min(simulatedMs(task, account, nowMs), plan.endMs);
  // Synchronous tasks complete before any of their simulated time has passed.
  const share = status === 'completed' || plan.endMs === 0 ? 1 : elapsedMs / plan.endMs;
  const width = Math.max(0.06, plan.endMs / Math.max(1, scaleMs));
  const percent = (value: number) => `${(value * 100).toFixed(2)}%`;
  return (
    <span class="bar-track">
      <span class={`bar ${status}`} style={{ width: percent(width) }}>
        <span class="bar-done" style={{ width: percent(share) }} />
        {plan.steps.slice(1).map(({ name, atMs }) => (
          <span key={name} class="bar-step" style={{ left: percent(atMs / plan.endMs) }} />
        ))}
      </span>
    </span>
  );
}
