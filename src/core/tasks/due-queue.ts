import type { Task } from './task.ts';

/** Number of tasks that are read at once. */
export const READ_AHEAD = 100;

export type DueTask = Task & { dueAtMs: number };

const isBefore = (one: DueTask, other: DueTask) =>
  one.dueAtMs < other.dueAtMs || (one.dueAtMs === other.dueAtMs && one.seq < other.seq);

/**
 * The tasks of an account that are due next, ordered by due time and number: the beginning of what the database has.
 * Otherwise each transition would need a query of its own, which costs as much as storing a task.
 */
export class DueQueue {
  readonly #tasks: DueTask[];
  /** Whether the database has further tasks, which are due after all of these. */
  #hasMore: boolean;

  /** `tasks` are the first `READ_AHEAD` tasks in order, or all if there are fewer. */
  constructor(tasks: DueTask[]) {
    this.#tasks = tasks;
    this.#hasMore = tasks.length === READ_AHEAD;
  }

  /** Whether the next task is unknown, so that the queue has to be read again. */
  get isExhausted(): boolean {
    return this.#tasks.length === 0 && this.#hasMore;
  }

  get next(): DueTask | undefined {
    return this.#tasks[0];
  }

  add(task: DueTask): void {
    const place = 1 + this.#tasks.findLastIndex((other) => isBefore(other, task));
    // The database may have others that are due before it.
    if (place === this.#tasks.length && this.#hasMore) return;
    this.#tasks.splice(place, 0, task);
    if (this.#tasks.length <= 2 * READ_AHEAD) return;
    this.#tasks.length = READ_AHEAD;
    this.#hasMore = true;
  }

  remove(seq: number): void {
    const place = this.#tasks.findIndex((task) => task.seq === seq);
    if (place >= 0) this.#tasks.splice(place, 1);
  }
}
