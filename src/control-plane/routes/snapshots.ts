import * as z from 'zod';
import type { Snapshot } from '../../core/accounts/snapshots.ts';
import { apiKey } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { PageByText, paginate } from '../pagination.ts';
import { AccountSchema, ResetResponse, SnapshotSchema, Snapshots } from '../response-schemas.ts';
import { AccountParams, snapshotName, toTimestamp } from '../schemas.ts';
import { createSeedStates } from '../state/seed-states.ts';
import { toAccountJson } from './accounts.ts';

const SnapshotParams = AccountParams.extend({ name: z.string().meta({ description: 'The name of the snapshot.' }) });
const NewSnapshot = z.strictObject({ name: snapshotName });
const ForkRequest = z.strictObject({ to: apiKey });

/** Operations that save, restore, copy and reset the state of accounts. */
export const snapshotOperations = (
  { core, settings, journal }: HttpContext,
  families: readonly Family[],
): Operation[] => [
  defineOperation({
    method: 'POST',
    path: '/accounts/:key/reset',
    name: 'resetAccount',
    tag: 'states',
    summary: 'Reset an account',
    description:
      'Returns the account to its initial state. Removes its journal, fault rules and snapshots, and aborts ' +
      'requests in progress.',
    params: AccountParams,
    responses: { 200: AccountSchema },
    async handler({ params }) {
      const { id, key, origin } = requireAccount(core, params);
      const seedStates = (settings.seedStates ?? []).filter(({ account }) => origin === 'seed' && account.key === key);
      if (seedStates.length === 0) core.resets.reset(id);
      else createSeedStates(core, families, { ...settings, seedStates }, { isReset: true });
      return toAccountJson(core, requireAccount(core, params));
    },
  }),

  defineOperation({
    method: 'POST',
    path: '/reset',
    name: 'reset',
    tag: 'emulator',
    summary: 'Reset the emulator',
    description:
      'Returns everything to the state of the first start: recreates seeded accounts, removes auto-created accounts ' +
      'and global fault rules.',
    responses: { 200: ResetResponse },
    async handler() {
      core.resets.resetAll(() => {
        core.accounts.createMissing(settings.seedAccounts);
        createSeedStates(core, families, settings, { isReset: true });
      });
      journal.clearUnauthorized();
      return { accounts: core.accounts.count() };
    },
  }),

  defineOperation({
    method: 'GET',
    path: '/accounts/:key/snapshots',
    name: 'listSnapshots',
    tag: 'states',
    summary: 'List the snapshots of an account',
    description: 'Sorted by name.',
    params: AccountParams,
    query: PageByText,
    responses: { 200: Snapshots },
    async handler({ params, query }) {
      const snapshots = core.snapshots.list(requireAccount(core, params).id, query.limit + 1, query.after);
      const { items, next } = await paginate(snapshots, query.limit, ({ name }) => name, toSnapshotJson);
      return { snapshots: items, next };
    },
  }),

  defineOperation({
    method: 'POST',
    path: '/accounts/:key/snapshots',
    name: 'takeSnapshot',
    tag: 'states',
    summary: 'Take a snapshot of an account',
    description:
      'Saves credits, ledger, tasks, clock, rate limit and fault rules under a name, replacing an existing snapshot ' +
      'of that name.',
    params: AccountParams,
    body: NewSnapshot,
    responses: { 201: SnapshotSchema },
    codes: ['TOO_MANY_SNAPSHOTS'],
    async handler({ params, body }, reply) {
      const snapshot = core.snapshots.take(requireAccount(core, params).id, body.name);
      reply.code(201);
      return toSnapshotJson(snapshot);
    },
  }),

  defineOperation({
    method: 'POST',
    path: '/accounts/:key/snapshots/:name/restore',
    name: 'restoreSnapshot',
    tag: 'states',
    summary: 'Restore a snapshot',
    description:
      'Returns the account, including its clock, to the saved state. Keeps its snapshots and journal, and aborts ' +
      'requests in progress.',
    params: SnapshotParams,
    responses: { 200: AccountSchema },
    codes: ['SNAPSHOT_NOT_FOUND'],
    handler: async ({ params }) =>
      toAccountJson(core, core.snapshots.restore(requireAccount(core, params).id, params.name)),
  }),

  defineOperation({
    method: 'POST',
    path: '/accounts/:key/fork',
    name: 'forkAccount',
    tag: 'states',
    summary: 'Copy an account',
    description: 'Copies everything except the journal and the snapshots to a new key.',
    params: AccountParams,
    body: ForkRequest,
    responses: { 201: AccountSchema },
    codes: ['ACCOUNT_EXISTS'],
    async handler({ params, body }, reply) {
      const account = core.snapshots.fork(requireAccount(core, params).id, body.to);
      reply.code(201);
      return toAccountJson(core, account);
    },
  }),
];

const toSnapshotJson = ({ name, takenAtMs }: Snapshot) => ({ name, at: toTimestamp(takenAtMs) });
