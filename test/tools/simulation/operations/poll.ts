import { type AccountState, isRunning, type ModelTask } from '../model/account-model.ts';
import { type FamilyFacts, TASK_FAMILIES } from '../model/facts.ts';
import { advanceTo } from '../model/transitions.ts';
import { apiOperation } from './api-operation.ts';
import type { Operation, OperationContext } from './operation.ts';

/** A poll of one or several tasks of an account. */
export function poll(context: OperationContext): Operation | undefined {
  const { random, model, accounts } = context;
  const account = random.pick(accounts);
  const candidates = account.state.tasks.filter(({ isStream }) => !isStream);
  if (candidates.length === 0) return undefined;
  const picked = random.next() < 0.5 ? candidates.at(-1)! : random.pick(candidates);
  const family = TASK_FAMILIES.find(({ name }) => name === picked.family)!;
  const isUnknown = random.next() < 0.05;
  const id = isUnknown ? 'task_0000000000000000deadbeef' : picked.id;
  const body = {
    video: { taskId: id },
    image: { generationId: id.replace('task_', 'gen_') },
    shots: { taskIds: [{ shotId: picked.ref, taskId: id }] },
  }[family.form];
  return apiOperation(context, account.key, {
    path: `${family.path}/check-status`,
    body,
    serve(account) {
      const { state } = account;
      const find = () => state.tasks.find((task) => task.id === id && task.family === family.name);
      const task = find();
      if (!task) return { status: 404 };
      if (isRunning(task)) {
        const now = model.catchUp(account);
        const due = isRunning(task) ? headOf(state, task).dueAt : null;
        if (state.mode === 'auto' && due !== null) {
          advanceTo(state, Math.max(due, now), model.wallMs(), model.emit(account.key));
        }
      }
      return { status: 200, body: toPolled(family, task) };
    },
  });
}

/** Returns the task that a waiting task waits for, directly or through others. */
function headOf(state: AccountState, task: ModelTask): ModelTask {
  if (task.dueAt !== null || task.follows === null) return task;
  const previous = state.tasks.find(({ seq }) => seq === task.follows);
  return previous && isRunning(previous) ? headOf(state, previous) : task;
}

function toPolled({ form }: FamilyFacts, task: ModelTask): object {
  const { id: taskId, status, price } = task;
  const step = task.steps[task.step]!.name;
  const isFailed = status === 'failed';
  const seconds = Math.round((task.simulatedMs ?? 0) / 1000);
  if (form === 'image') {
    const generationId = taskId.replace('task_', 'gen_');
    return { success: !isFailed, status: isRunning(task) ? step : status, generationId };
  }
  if (form === 'shots') {
    const time = status === 'completed' ? { generationTime: seconds } : {};
    return { status, shots: [{ shotId: task.ref, taskId, status, ...time }] };
  }
  const common = { success: !isFailed, status, taskId };
  if (status === 'completed') return { ...common, generationTime: seconds, creditsUsed: price };
  return isFailed ? { ...common, errorCode: 'GENERATION_FAILED' } : { ...common, progress: step };
}
