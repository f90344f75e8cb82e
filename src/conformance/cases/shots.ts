import type { Provenance } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import {
  assertAccepted,
  assertRefused,
  type CaseContext,
  describeResponse,
  type HttpResponse,
  isInProgress,
} from '../case-context.ts';
import { Mismatch } from '../case-errors.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import { minimalBody, withChanges } from '../request-bodies.ts';

/** In no alphabetical order, which would hide that somebody sorts them. */
const SHOT_IDS = ['opening', 'middle', 'end'];

/** A request of several shots: one task each, made and told one after the other. */
export function shotCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  const pollPath = path.replace(/generate$/, 'check-status');
  if (!path.endsWith('/generate') || !getProperties(operation).shots) return [];
  const name = path.slice('/api/'.length, -'/generate'.length);
  const base = minimalBody(validator, path);
  const body = withChanges(base, { shots: SHOT_IDS.map((id) => ({ ...base.shots[0], id })) });
  const price = validator.estimatePrice(path, base);

  async function submit(context: CaseContext) {
    const key = await context.getKey();
    const accepted = await context.callAndValidate(path, body, { key });
    assertAccepted(accepted);
    assertShots(accepted, SHOT_IDS);
    const shots: Json[] = accepted.body.shots;
    const poll = (indexes = [0, 1, 2]) => {
      const taskIds = indexes.map((index) => ({
        shotId: shots[index].shotId,
        taskId: shots[index].taskId,
      }));
      return context.callAndValidate(pollPath, { taskIds }, { key });
    };
    return { key, accepted, shots, poll };
  }
  const defineCase = (id: string, title: string, provenance: Provenance, check: Case['check']): Case => ({
    id: `${name}/${id}`,
    name: `${name}: ${title}`,
    provenance,
    isFree: false,
    check,
  });

  return [
    defineCase(
      'shots-in-order',
      'shots are told in the order of the request, each with a task of its own',
      'documented',
      async (context) => {
        const { accepted, shots } = await submit(context);
        if (new Set(shots.map(({ taskId }) => taskId)).size !== SHOT_IDS.length) {
          throw new Mismatch('a task for each shot', describeResponse(accepted));
        }
        const credits = price * SHOT_IDS.length;
        if (accepted.body.creditsUsed !== credits)
          throw new Mismatch(`creditsUsed ${credits}`, describeResponse(accepted));
      },
    ),
    defineCase(
      'shots-one-after-another',
      'a shot begins when the one before it has ended',
      'documented',
      async (context) => {
        const { key, poll } = await submit(context);
        if (!context.isControlled) {
          const pollAndCheck = async () => assertCompletedInOrder(await poll());
          await context.pollUntilDone(key, pollAndCheck);
          return;
        }
        const account = context.requireAccountControl(key, '');
        const getNowMs = async () => Date.parse((await account.get()).clock.now);
        let startMs = await getNowMs();
        for (const [index] of SHOT_IDS.entries()) {
          await account.clock.advanceToNext();
          const response = assertCompletedInOrder(await poll());
          const { status, generationTime } = response.body.shots[index];
          const elapsedSeconds = ((await getNowMs()) - startMs) / 1000;
          startMs += elapsedSeconds * 1000;
          if (status !== 'completed')
            throw new Mismatch(`${SHOT_IDS[index]} to be completed next`, describeResponse(response));
          if (!(Math.abs(generationTime - elapsedSeconds) <= 1)) {
            const expected = `generationTime ${Math.round(elapsedSeconds)} of ${SHOT_IDS[index]}, from the end of the shot before it`;
            throw new Mismatch(expected, describeResponse(response));
          }
          assertStatuses(
            response,
            [...SHOT_IDS.keys()].map((n) => (n <= index ? 'completed' : 'processing')),
          );
        }
      },
    ),
    defineCase(
      'failed-shot',
      'a shot that fails is refunded by itself, and the others are made',
      'assumed',
      async (context) => {
        const { key, shots, poll } = await submit(context);
        const account = context.requireAccountControl(key, 'a failure cannot be asked for');
        await account.clock.advanceToNext();
        await account.tasks.fail(shots[1].taskId);
        assertStatuses(await poll(), ['completed', 'failed', 'processing']);
        assertStatuses(await poll([1]), ['failed']);
        assertStatuses(await poll([0, 1]), ['completed', 'failed']);
        assertStatuses(await poll([0]), ['completed']);
        await context.pollUntilDone(key, poll);
        assertStatuses(await poll(), ['completed', 'failed', 'completed']);
        const { entries } = await account.ledger();
        const kinds = entries.map(({ kind, taskId }) => `${kind} ${shots.findIndex((one) => one.taskId === taskId)}`);
        const expected = ['grant -1', 'hold 0', 'hold 1', 'hold 2', 'capture 0', 'refund 1', 'capture 2'];
        if (kinds.join() !== expected.join()) throw new Mismatch(expected.join(', '), kinds.join(', '));
      },
    ),
    defineCase('polled-shots', 'a poll tells of the shots that it names, in its order', 'assumed', async (context) => {
      const { poll } = await submit(context);
      assertShots(await poll([2, 0]), [SHOT_IDS[2]!, SHOT_IDS[0]!]);
      assertShots(await poll([1]), [SHOT_IDS[1]!]);
    }),
    defineCase('wrong-shot', "a task under another shot's id is not found", 'assumed', async (context) => {
      const { key, shots } = await submit(context);
      const taskIds = [{ shotId: shots[1].shotId, taskId: shots[0].taskId }];
      const { status } = validator.getErrorCode(pollPath, 'TASK_NOT_FOUND');
      assertRefused(await context.callAndValidate(pollPath, { taskIds }, { key }), status, 'TASK_NOT_FOUND');
    }),
    defineCase(
      'unknown-shot',
      'a poll that names a task that there is not, beside one that there is, is refused',
      'documented',
      async (context) => {
        const { key, shots } = await submit(context);
        const knownShot = { shotId: shots[0].shotId, taskId: shots[0].taskId };
        const taskIds = [knownShot, { shotId: shots[1].shotId, taskId: 'task_nobodyhasthisone' }];
        const { status } = validator.getErrorCode(pollPath, 'TASK_NOT_FOUND');
        assertRefused(await context.callAndValidate(pollPath, { taskIds }, { key }), status, 'TASK_NOT_FOUND');
      },
    ),
  ];
}

function assertShots(response: HttpResponse, ids: readonly string[]): void {
  const actual = ((response.body?.shots ?? []) as Json[]).map(({ shotId }) => shotId);
  if (actual.join() !== ids.join()) throw new Mismatch(`the shots ${ids.join(', ')}`, describeResponse(response));
}

/** One verdict over them all: under way while one is, then failed if one has. */
function assertStatuses(response: HttpResponse, statuses: readonly string[]): void {
  const actual = ((response.body?.shots ?? []) as Json[]).map(({ status }) => status);
  const overall = ['processing', 'failed', 'completed'].find((status) => statuses.includes(status));
  if (actual.join() !== statuses.join() || response.body.status !== overall) {
    throw new Mismatch(`${overall}: ${statuses.join(', ')}`, describeResponse(response));
  }
}

/** @throws Differs where a shot is done before the one that comes before it */
function assertCompletedInOrder(response: HttpResponse): HttpResponse {
  assertAccepted(response);
  assertShots(response, SHOT_IDS);
  const ended = (response.body.shots as Json[]).map(({ status }) => status !== 'processing');
  if (ended.some((hasEnded, index) => hasEnded && ended[index - 1] === false)) {
    throw new Mismatch('no shot that ends before the one before it', describeResponse(response));
  }
  if (isInProgress(response) === ended.every(Boolean)) {
    throw new Mismatch('processing while any shot is, and no longer', describeResponse(response));
  }
  return response;
}
