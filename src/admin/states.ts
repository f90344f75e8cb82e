import type { Snapshot } from '../core/snapshots.ts';
import type { App, Emulator } from '../http/context.ts';
import { shownAccount } from './accounts.ts';
import { accountAt, afterText, key, moment, name, type OfAccount, paged, pageOf, strict } from './forms.ts';

const SnapshotsQuery = strict(pageOf(afterText));

interface OfSnapshot {
  Params: { key: string; name: string };
}

/** The calls that put an account, or everything, back to an earlier state, and those that keep one. */
export function registerStates(app: App, { core, settings }: Emulator): void {
  const at = (params: unknown) => accountAt(core, (params as OfAccount['Params']).key);

  app.post('/accounts/:key/reset', { schema: { body: strict({}) } }, async ({ params }) =>
    shownAccount(core, core.resets.reset(at(params).id)),
  );

  app.post('/reset', { schema: { body: strict({}) } }, async () => {
    core.db.transaction(() => {
      core.resets.resetAll();
      core.accounts.createMissing(settings.seedAccounts);
    })();
    return { accounts: core.accounts.count() };
  });

  app.get(
    '/accounts/:key/snapshots',
    { schema: { querystring: SnapshotsQuery } },
    async ({ params, query }) => {
      const snapshots = core.snapshots.list(at(params).id, query.limit + 1, query.after);
      const { items, next } = paged(snapshots, query.limit, (snapshot) => snapshot.name);
      return { snapshots: items.map(shownSnapshot), next };
    },
  );

  app.post(
    '/accounts/:key/snapshots',
    { schema: { body: strict({ name }) } },
    async ({ params, body }, reply) => {
      const snapshot = core.snapshots.take(at(params).id, body.name);
      reply.code(201);
      return shownSnapshot(snapshot);
    },
  );

  app.post('/accounts/:key/snapshots/:name/restore', { schema: { body: strict({}) } }, async ({ params }) =>
    shownAccount(core, core.snapshots.restore(at(params).id, (params as OfSnapshot['Params']).name)),
  );

  app.post(
    '/accounts/:key/fork',
    { schema: { body: strict({ to: key }) } },
    async ({ params, body }, reply) => {
      const account = core.snapshots.fork(at(params).id, body.to);
      reply.code(201);
      return shownAccount(core, account);
    },
  );
}

const shownSnapshot = ({ name, takenAtMs }: Snapshot) => ({ name, at: moment(takenAtMs) });
