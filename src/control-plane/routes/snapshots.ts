import { z } from 'zod';
import type { Snapshot } from '../../core/accounts/snapshots.ts';
import type { App, Emulator } from '../../http/context.ts';
import { Account, Snapshot as OneSnapshot, Reset, Snapshots } from '../response-schemas.ts';
import { accountAt, afterText, key, moment, name, OfAccount, paged, pageOf, strict } from '../schemas.ts';
import { shownAccount } from './accounts.ts';

const SnapshotsQuery = strict(pageOf(afterText));

const OfSnapshot = OfAccount.extend({ name: z.string().meta({ description: 'The name of the snapshot.' }) });

/** The calls that put an account, or everything, back to an earlier state, and those that keep one. */
export function registerStates(app: App, { core, settings }: Emulator): void {
  const at = ({ key }: OfAccount) => accountAt(core, key);

  app.post(
    '/accounts/:key/reset',
    {
      schema: { params: OfAccount, body: strict({}) },
      config: {
        call: {
          name: 'resetAccount',
          tag: 'states',
          summary: 'Makes an account as it was made.',
          description: 'Journal, faults and snapshots go too; what was under way is broken off.',
          answers: { 200: Account },
        },
      },
    },
    async ({ params }) => shownAccount(core, core.resets.reset(at(params).id)),
  );

  app.post(
    '/reset',
    {
      schema: { body: strict({}) },
      config: {
        call: {
          name: 'reset',
          tag: 'emulator',
          summary: 'Makes everything as at the first start.',
          description:
            'Seeded accounts come back, those that made themselves are gone, rules for everybody are removed.',
          answers: { 200: Reset },
        },
      },
    },
    async () => {
      core.resets.resetAll(() => core.accounts.createMissing(settings.seedAccounts));
      return { accounts: core.accounts.count() };
    },
  );

  app.get(
    '/accounts/:key/snapshots',
    {
      schema: { params: OfAccount, querystring: SnapshotsQuery },
      config: {
        call: {
          name: 'listSnapshots',
          tag: 'states',
          summary: 'Lists the snapshots of an account.',
          description: 'In the order of their names.',
          answers: { 200: Snapshots },
        },
      },
    },
    async ({ params, query }) => {
      const snapshots = core.snapshots.list(at(params).id, query.limit + 1, query.after);
      const { items, next } = paged(snapshots, query.limit, (snapshot) => snapshot.name);
      return { snapshots: items.map(shownSnapshot), next };
    },
  );

  app.post(
    '/accounts/:key/snapshots',
    {
      schema: { params: OfAccount, body: strict({ name }) },
      config: {
        call: {
          name: 'takeSnapshot',
          tag: 'states',
          summary: 'Keeps an account as it is.',
          description:
            'Credits, ledger, tasks, clock, limiter and faults, under a name. A snapshot of that name is replaced.',
          answers: { 201: OneSnapshot },
          codes: ['TOO_MANY_SNAPSHOTS'],
        },
      },
    },
    async ({ params, body }, reply) => {
      const snapshot = core.snapshots.take(at(params).id, body.name);
      reply.code(201);
      return shownSnapshot(snapshot);
    },
  );

  app.post(
    '/accounts/:key/snapshots/:name/restore',
    {
      schema: { params: OfSnapshot, body: strict({}) },
      config: {
        call: {
          name: 'restoreSnapshot',
          tag: 'states',
          summary: 'Puts an account back.',
          description:
            'It is as it was, at the time it was. Snapshots and journal stay; what was under way is broken off.',
          answers: { 200: Account },
          codes: ['SNAPSHOT_NOT_FOUND'],
        },
      },
    },
    async ({ params }) => shownAccount(core, core.snapshots.restore(at(params).id, params.name)),
  );

  app.post(
    '/accounts/:key/fork',
    {
      schema: { params: OfAccount, body: strict({ to: key }) },
      config: {
        call: {
          name: 'forkAccount',
          tag: 'states',
          summary: 'Copies an account.',
          description: 'To a new key, with everything but the journal and the snapshots.',
          answers: { 201: Account },
          codes: ['ACCOUNT_EXISTS'],
        },
      },
    },
    async ({ params, body }, reply) => {
      const account = core.snapshots.fork(at(params).id, body.to);
      reply.code(201);
      return shownAccount(core, account);
    },
  );
}

const shownSnapshot = ({ name, takenAtMs }: Snapshot) => ({ name, at: moment(takenAtMs) });
