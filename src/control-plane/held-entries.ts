import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import type { MemoryBudget } from '../core/memory-budget.ts';
import type { ListedEntry } from '../http/journal/entry.ts';
import { onFinished } from '../http/pipeline/response-lifecycle.ts';

/**
 * Counts the entries that a streamed response holds until it ends, because the journal may evict them before they are
 * written.
 * @throws OUT_OF_MEMORY when they exceed the memory budget
 */
export function holdEntries(
  memory: MemoryBudget,
  request: FastifyRequest,
  reply: FastifyReply,
  entries: readonly ListedEntry[],
): void {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (!memory.reserve('responses', bytes)) {
    throw new EmulatorError('OUT_OF_MEMORY', 'the memory for data of clients is full (--memory-budget-mb)');
  }
  onFinished(request, reply, () => memory.add('responses', -bytes));
}
