import { PassThrough } from 'node:stream';
import { z } from 'zod';
import type { CoreEvent } from '../../core/events.ts';
import type { App, HttpContext } from '../../http/context.ts';
import { onFinished } from '../../http/pipeline/response-lifecycle.ts';
import { strict } from '../schemas.ts';
import { toTransitionJson } from './clock.ts';
import { toLedgerEntryJson } from './ledger.ts';

/** What a listener that does not read can make us keep; then it is cut off. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
/** Keeps proxies from closing a connection on which nothing happens. */
const HEARTBEAT_MS = 15_000;

const EventsQuery = strict({
  key: z.string().optional().meta({ description: 'Of this account only, as soon as it is there.' }),
});

const EVENT_STREAM_RESPONSE = {
  types: ['text/event-stream'],
  description: `As they happen. Each has an \`id\`, counted from 1 on this connection, its type as \`event\`, and as \`data\` JSON with
the account's \`key\` and: at \`task\` a Transition, at \`ledger\` a LedgerEntry, at \`request\` \`id\`, \`method\`, \`path\`, \`status\`,
\`errorCode\` and \`taskIds\` of a JournalEntry, at \`fault\` \`fault\` and the id of the \`request\`, at \`account\` \`change\`: \`created\`,
\`changed\`, \`clock\`, \`reset\`, \`restored\`, \`removed\`, \`faults\`, \`snapshots\` or \`journal\`. Rules for everybody come with
the \`key\` null, to listeners of one account too.`,
} as const;

/** Server-sent events: tasks, ledger, requests, faults and accounts themselves, of all of them or of one, as they happen. */
export function registerEvents(app: App, { core, listenerLimit, stopping }: HttpContext): void {
  /** Null: everybody's. Undefined: nobody's, or not any more; who listens has been told. */
  function accountKeyFor(event: CoreEvent): string | null | undefined {
    if (event.accountId === null) return null;
    if (event.type === 'account' && event.removedKey !== undefined) return event.removedKey;
    return core.accounts.findKey(event.accountId);
  }

  // A HEAD would listen for ever to what it never gets.
  const options = {
    schema: { querystring: EventsQuery },
    config: {
      operation: {
        name: 'listen',
        tag: 'requests',
        summary: 'Tells what happens.',
        description:
          'Server-sent events of all accounts, or of one. An empty comment comes at once and every 15 seconds; a listener that leaves 1 MB unread is cut off.',
        responses: { 200: EVENT_STREAM_RESPONSE },
        codes: ['TOO_MANY_LISTENERS'],
      },
    },
    exposeHeadRoute: false,
  } as const;
  app.get('/events', options, async (request, reply) => {
    listenerLimit.acquire(request, reply);
    const { key } = request.query;
    const stream = new PassThrough();
    let count = 0;
    const send = (text: string) => {
      // What the reader's side has no room for waits on the writer's.
      if (stream.readableLength + stream.writableLength > MAX_BUFFERED_BYTES) stream.destroy();
      else stream.write(text);
    };
    const unsubscribe = core.events.listen((event) => {
      const eventKey = accountKeyFor(event);
      if (eventKey === undefined || (key !== undefined && eventKey !== null && key !== eventKey)) return;
      count += 1;
      const data = JSON.stringify({ key: eventKey, ...toEventJson(event) });
      send(`id: ${count}\nevent: ${event.type}\ndata: ${data}\n\n`);
    });
    const stopHeartbeat = core.clock.repeat(HEARTBEAT_MS, () => send(':\n\n'));
    const end = () => stream.end();
    stopping.addEventListener('abort', end, { once: true });
    onFinished(request, reply, () => stream.destroy());
    stream.once('close', () => {
      unsubscribe();
      stopHeartbeat();
      stopping.removeEventListener('abort', end);
    });
    // The client learns at once that it is listened to.
    send(':\n\n');
    return reply.header('content-type', 'text/event-stream').header('cache-control', 'no-cache').send(stream);
  });
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
