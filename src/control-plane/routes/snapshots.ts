import { z } from 'zod';
import type { Snapshot } from '../../core/accounts/snapshots.ts';
import type { App, HttpContext } from '../../http/context.ts';
import { AccountSchema, ResetResponse, SnapshotSchema, Snapshots } from '../response-schemas.ts';
import {
  AccountParams,
  apiKey,
  paginate,
  paginationParams,
  requireAccount,
  snapshotName,
  strict,
  textCursor,
  toTimestamp,
} from '../schemas.ts';
import { toAccountJson } from './accounts.ts';

const SnapshotsQuery = strict(paginationParams(textCursor));

const SnapshotParams = AccountParams.extend({
  name: z.string().meta({ description: 'The name of the snapshot.' }),
});

/** The calls that put an account, or everything, back to an earlier state, and those that keep one. */
export function registerSnapshots(app: App, { core, settings }: HttpContext): void {
  const accountFor = ({ key }: AccountParams) => requireAccount(core, key);

  app.post(
    '/accounts/:key/reset',
    {
      schema: { params: AccountParams, body: strict({}) },
      config: {
        operation: {
          name: 'resetAccount',
          tag: 'states',
          summary: 'Makes an account as it was made.',
          description: 'Journal, faults and snapshots go too; what was under way is broken off.',
          responses: { 200: AccountSchema },
        },
      },
    },
    async ({ params }) => toAccountJson(core, core.resets.reset(accountFor(params).id)),
  );

  app.post(
    '/reset',
    {
      schema: { body: strict({}) },
      config: {
        operation: {
          name: 'reset',
          tag: 'emulator',
          summary: 'Makes everything as at the first start.',
          description:
            'Seeded accounts come back, those that made themselves are gone, rules for everybody are removed.',
          responses: { 200: ResetResponse },
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
      schema: { params: AccountParams, querystring: SnapshotsQuery },
      config: {
        operation: {
          name: 'listSnapshots',
          tag: 'states',
          summary: 'Lists the snapshots of an account.',
          description: 'In the order of their names.',
          responses: { 200: Snapshots },
        },
      },
    },
    async ({ params, query }) => {
      const snapshots = core.snapshots.list(accountFor(params).id, query.limit + 1, query.after);
      const { items, next } = paginate(snapshots, query.limit, (snapshot) => snapshot.name);
      return { snapshots: items.map(toSnapshotJson), next };
    },
  );

  app.post(
    '/accounts/:key/snapshots',
    {
      schema: { params: AccountParams, body: strict({ name: snapshotName }) },
      config: {
        operation: {
          name: 'takeSnapshot',
          tag: 'states',
          summary: 'Keeps an account as it is.',
          description:
            'Credits, ledger, tasks, clock, limiter and faults, under a name. A snapshot of that name is replaced.',
          responses: { 201: SnapshotSchema },
          codes: ['TOO_MANY_SNAPSHOTS'],
        },
      },
    },
    async ({ params, body }, reply) => {
      const snapshot = core.snapshots.take(accountFor(params).id, body.name);
      reply.code(201);
      return toSnapshotJson(snapshot);
    },
  );

  app.post(
    '/accounts/:key/snapshots/:name/restore',
    {
      schema: { params: SnapshotParams, body: strict({}) },
      config: {
        operation: {
          name: 'restoreSnapshot',
          tag: 'states',
          summary: 'Puts an account back.',
          description:
            'It is as it was, at the time it was. Snapshots and journal stay; what was under way is broken off.',
          responses: { 200: AccountSchema },
          codes: ['SNAPSHOT_NOT_FOUND'],
        },
      },
    },
    async ({ params }) => toAccountJson(core, core.snapshots.restore(accountFor(params).id, params.name)),
  );

  app.post(
    '/accounts/:key/fork',
    {
      schema: { params: AccountParams, body: strict({ to: apiKey }) },
      config: {
        operation: {
          name: 'forkAccount',
          tag: 'states',
          summary: 'Copies an account.',
          description: 'To a new key, with everything but the journal and the snapshots.',
          responses: { 201: AccountSchema },
          codes: ['ACCOUNT_EXISTS'],
        },
      },
    },
    async ({ params, body }, reply) => {
      const account = core.snapshots.fork(accountFor(params).id, body.to);
      reply.code(201);
      return toAccountJson(core, account);
    },
  );
}

const toSnapshotJson = ({ name, takenAtMs }: Snapshot) => ({ name, at: toTimestamp(takenAtMs) });
