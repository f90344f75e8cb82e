import * as z from 'zod';
import type { CoreEvent } from '../../core/events.ts';

import type { HttpContext } from '../../http/context.ts';
import { onFinished } from '../../http/pipeline/response-lifecycle.ts';
import { createEventBroadcast } from '../event-broadcast.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { toTransitionJson } from './clock.ts';
import { toLedgerEntryJson } from './ledger.ts';

/** Keeps proxies from closing an idle connection. */
const HEARTBEAT_MS = 15_000;

const EVENT_STREAM = {
  types: ['text/event-stream'],
  description: `Events as they happen. Each has an \`id\`, counted from 1 on this connection, its type as \`event\`, and JSON as
\`data\`: the account's \`key\` and, for \`task\`, the fields of a Transition; for \`ledger\`, of a LedgerEntry; for
\`request\`, \`id\`, \`method\`, \`path\`, \`status\`, \`errorCode\` and \`taskIds\` of a JournalEntry; for \`fault\`,
\`fault\` and the id of the \`request\`; for \`account\`, \`change\`: \`created\`, \`changed\`, \`clock\`, \`reset\`,
\`restored\`, \`removed\`, \`faults\`, \`snapshots\` or \`journal\`. Changes to global fault rules have a null \`key\` and are
also sent to listeners of one account.`,
} as const;

const ListenQuery = z.strictObject({
  key: z.string().optional().meta({ description: 'Only events of this account, which need not exist yet.' }),
});

/** Server-sent events about tasks, ledgers, requests, faults and accounts. */
export function eventOperations({ core, listenerLimit, stopping }: HttpContext): Operation[] {
  const broadcast = createEventBroadcast(core, toEventJson);

  return [
    defineOperation({
      method: 'GET',
      // A HEAD request would hold a listener slot for an endless stream without a body.
      hasNoHead: true,
      path: '/events',
      name: 'listen',
      tag: 'requests',
      summary: 'Stream events',
      description:
        'Server-sent events of all accounts or of one. An empty comment is sent at once and every 15 seconds. A ' +
        'listener with 1 MB of unread data is disconnected; so is the one with the most when memory runs out ' +
        '(`--memory-budget-mb`).',
      query: ListenQuery,
      responses: { 200: EVENT_STREAM },
      codes: ['TOO_MANY_LISTENERS'],
      async handler(request, reply) {
        listenerLimit.acquire(request, reply);
        const { key } = request.query;
        const stream = broadcast.listen(key);
        const stopHeartbeat = core.clock.repeat(HEARTBEAT_MS, () => stream.sendHeartbeat());
        const end = () => stream.end();
        stopping.addEventListener('abort', end, { once: true });
        onFinished(request, reply, () => stream.destroy());
        stream.once('close', () => {
          stopHeartbeat();
          stopping.removeEventListener('abort', end);
        });
        return reply.header('content-type', 'text/event-stream').header('cache-control', 'no-cache').send(stream);
      },
    }),
  ];
}

function toEventJson(event: CoreEvent): object {
  switch (event.type) {
    case 'task':
      return toTransitionJson(event.transition);
    case 'ledger':
      return toLedgerEntryJson(event.entry);
    case 'account':
      return { change: event.change };
    default:
      return event.detail;
  }
}
