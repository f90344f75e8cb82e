import type { Account } from '../core/accounts/accounts.ts';
import type { Core } from '../core/core.ts';
import type { Task } from '../core/tasks/task.ts';
import type { HttpContext } from '../http/context.ts';
import type { ListedEntry } from '../http/journal/entry.ts';
import { AdminError } from './error-codes.ts';
import type { AccountParams, TaskParams } from './schemas.ts';

/**
 * Finds an account by its key and applies the transitions that are due for it.
 * @throws ACCOUNT_NOT_FOUND when no account has the key
 * @throws NOT_FOUND when the key is empty: a path such as `/__admin/accounts/` names no account
 */
export function requireAccount(core: Core, { key }: AccountParams): Account {
  if (key === '') throw new AdminError('NOT_FOUND');
  const account = core.accounts.find(key);
  if (!account) throw new AdminError('ACCOUNT_NOT_FOUND', key);
  core.timeline.applyIfDue(account);
  return core.accounts.get(account.id);
}

/**
 * Finds a task of an account, after applying the transitions that are due for the account.
 * @throws ACCOUNT_NOT_FOUND when no account has the key
 * @throws TASK_NOT_FOUND when the account has no such task
 */
export const requireTask = (core: Core, params: TaskParams): Task =>
  requireAccountTask(core, requireAccount(core, params).id, params.id);

/** @throws TASK_NOT_FOUND when the account has no such task */
export function requireAccountTask(core: Core, accountId: number, id: string): Task {
  const task = core.tasks.find(accountId, id);
  if (!task) throw new AdminError('TASK_NOT_FOUND', id);
  return task;
}

/**
 * Returns the requests of an account with a number above `after`, oldest first: those in the journal or, if a file is
 * open, those in the file.
 */
export const listRequests = (
  { journal, settings }: Pick<HttpContext, 'journal' | 'settings'>,
  accountId: number,
  after = 0,
): readonly ListedEntry[] =>
  settings.opened
    ? settings.opened.journals.get(accountId)!.requests.filter(({ seq }) => seq > after)
    : journal.listEntries(accountId, after);
