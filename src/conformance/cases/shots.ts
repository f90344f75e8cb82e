import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, assertRefused, describeResponse, isInProgress } from '../assertions.ts';
import { type Case, type CaseContext, createCaseDefiner } from '../case-context.ts';
import { Mismatch } from '../case-errors.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import type { HttpResponse } from '../http-client.ts';
import { minimalBody, toPollBody, withChanges } from '../request-bodies.ts';

/** Not in alphabetical order, which would hide a server that sorts them. */
const SHOT_IDS = ['opening', 'middle', 'end'];

/** Cases for requests with several shots: one task per shot, generated in sequence. */
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
    const poll = (indexes = [0, 1, 2]) =>
      context.callAndValidate(pollPath, toPollBody({ shots: indexes.map((index) => shots[index]) }), { key });
    return { key, accepted, shots, poll };
  }
  const defineCase = createCaseDefiner(name, name);

  return [
    defineCase(
      'shots-in-order',
      'shots are listed in the order of the request, each with its own task',
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
      'a shot starts when the previous one has ended',
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
            const seconds = Math.round(elapsedSeconds);
            const expected = `generationTime ${seconds} of ${SHOT_IDS[index]}, from the end of the previous shot`;
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
      'only the failed shot is refunded, and the others are generated',
      'assumed',
      async (context) => {
        const { key, shots, poll } = await submit(context);
        const account = context.requireAccountControl(key, 'needs the control plane to let a task fail');
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
    defineCase(
      'polled-shots',
      'a poll returns the requested shots, in the order of the poll',
      'assumed',
      async (context) => {
        const { poll } = await submit(context);
        assertShots(await poll([2, 0]), [SHOT_IDS[2]!, SHOT_IDS[0]!]);
        assertShots(await poll([1]), [SHOT_IDS[1]!]);
      },
    ),
    defineCase('wrong-shot', 'a task with the id of another shot is not found', 'assumed', async (context) => {
      const { key, shots } = await submit(context);
      const taskIds = [{ shotId: shots[1].shotId, taskId: shots[0].taskId }];
      const { status } = validator.getErrorCode(pollPath, 'TASK_NOT_FOUND');
      assertRefused(await context.callAndValidate(pollPath, { taskIds }, { key }), status, 'TASK_NOT_FOUND');
    }),
    defineCase(
      'unknown-shot',
      'a poll of an existing and an unknown task is rejected',
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

/** Checks the shots and the overall status: processing while any shot is, then failed if any has failed. */
function assertStatuses(response: HttpResponse, statuses: readonly string[]): void {
  const actual = ((response.body?.shots ?? []) as Json[]).map(({ status }) => status);
  const overall = ['processing', 'failed', 'completed'].find((status) => statuses.includes(status));
  if (actual.join() !== statuses.join() || response.body.status !== overall) {
    throw new Mismatch(`${overall}: ${statuses.join(', ')}`, describeResponse(response));
  }
}

/** @throws Mismatch when a shot has ended before the previous one */
function assertCompletedInOrder(response: HttpResponse): HttpResponse {
  assertAccepted(response);
  assertShots(response, SHOT_IDS);
  const ended = (response.body.shots as Json[]).map(({ status }) => status !== 'processing');
  if (ended.some((hasEnded, index) => hasEnded && ended[index - 1] === false)) {
    throw new Mismatch('no shot that ends before the previous one', describeResponse(response));
  }
  if (isInProgress(response) === ended.every(Boolean)) {
    throw new Mismatch('status processing exactly while a shot is processing', describeResponse(response));
  }
  return response;
}
