import type { Provenance } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, assertCharged, assertEntryKinds, assertRefused, describeResponse } from '../assertions.ts';
import { type Case, type CaseContext, createCaseDefiner } from '../case-context.ts';
import { Mismatch, Skipped } from '../case-errors.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import { minimalBody, toPollBody, withChanges } from '../request-bodies.ts';
import { assertFiles, getExpectedTraits } from './media.ts';

/** Cases for the course of a task: polls, charges, refunds, and access by others. */
export function taskCases(validator: ContractValidator, path: string): Case[] {
  const pollPath = path.replace(/generate$/, 'check-status');
  if (!path.endsWith('/generate') || !validator.operationOf(pollPath)) return [];
  const operation = validator.operationOf(path);
  const { 200: okResponse } = validator.operationOf(pollPath).responses;
  const provenance = okResponse['x-source'] as Provenance;
  const body = minimalBody(validator, path);
  const price = validator.estimatePrice(path, body);
  const name = path.slice('/api/'.length, -'/generate'.length);
  const defineCase = createCaseDefiner(name, name);

  async function submit(context: CaseContext, key: string) {
    const response = await context.callAndValidate(path, body, { key });
    assertAccepted(response);
    const poll = () => context.callAndValidate(pollPath, toPollBody(response.body), { key });
    return { poll };
  }

  return [
    defineCase(
      'task-completes',
      'a task is in progress, then completed with result files',
      provenance,
      async (context) => {
        const key = await context.getKey();
        const { poll } = await submit(context, key);
        const firstPoll = await poll();
        if (!['processing', 'pending', 'generating'].includes(firstPoll.body?.status)) {
          throw new Mismatch('a task in progress', describeResponse(firstPoll));
        }
        const finalResponse = await context.pollUntilDone(key, poll);
        if (finalResponse.body?.status !== 'completed')
          throw new Mismatch('a completed task', describeResponse(finalResponse));
        await assertFiles(context, finalResponse, getExpectedTraits(validator, path, body));
      },
    ),
    defineCase(
      'task-is-paid',
      'the price is charged on submission, and captured when the task completes',
      'documented',
      async (context) => {
        const key = await context.getKey();
        const account = context.requireAccountControl(key, 'needs the control plane to read the ledger');
        const { poll } = await submit(context, key);
        await assertCharged(account, price);
        await context.pollUntilDone(key, poll);
        await assertCharged(account, price);
        assertEntryKinds(await account.ledger(), ['grant', 'hold', 'capture']);
      },
    ),
    defineCase(
      'failure-is-refunded',
      'a failed task is reported as failed, and refunded once',
      'documented',
      async (context) => {
        const key = await context.getKey();
        const account = context.requireAccountControl(key, 'needs the control plane to let a task fail');
        const { poll } = await submit(context, key);
        const [task] = await account.tasks.list();
        await account.tasks.fail(task?.id ?? '');
        for (let n = 0; n < 2; n++) {
          const response = await poll();
          if (response.body?.status !== 'failed') throw new Mismatch('a failed task', describeResponse(response));
        }
        await assertCharged(account, 0);
        assertEntryKinds(await account.ledger(), ['grant', 'hold', 'refund']);
      },
    ),
    defineCase(
      'task-of-another',
      'a task of another account cannot be polled',
      validator.hasErrorCode(pollPath, 'FORBIDDEN') ? 'observed' : 'documented',
      async (context) => {
        if (!context.isControlled) throw new Skipped('needs a second account');
        const response = await context.callAndValidate(path, body, { key: await context.getKey() });
        assertAccepted(response);
        const pollResponse = await context.callAndValidate(pollPath, toPollBody(response.body), {
          key: await context.getKey(),
        });
        const code = validator.hasErrorCode(pollPath, 'FORBIDDEN') ? 'FORBIDDEN' : 'TASK_NOT_FOUND';
        assertRefused(pollResponse, validator.getErrorCode(pollPath, code).status, code);
      },
    ),
    defineCase('task-elsewhere', 'its tasks are not found through any other API', 'assumed', async (context) => {
      const key = await context.getKey();
      const response = await context.callAndValidate(path, body, { key });
      assertAccepted(response);
      // An API that distinguishes another account's task might do so for another API's task.
      const revealsOwner = validator.hasErrorCode(pollPath, 'FORBIDDEN') && context.isControlled;
      const keys = revealsOwner ? [key, await context.getKey()] : [key];
      for (const otherPollPath of listPollPaths(validator).filter((one) => one !== pollPath)) {
        const code = validator.hasErrorCode(otherPollPath, 'TASK_NOT_FOUND') ? 'TASK_NOT_FOUND' : 'NOT_FOUND';
        for (const pollBody of pollBodiesFor(validator, otherPollPath, response.body))
          for (const callerKey of keys) {
            const pollResponse = await context.callAndValidate(otherPollPath, pollBody, { key: callerKey });
            assertRefused(pollResponse, validator.getErrorCode(otherPollPath, code).status, code);
          }
      }
    }),
    {
      id: `${name}/credits-after-body`,
      name: `${name}: an invalid request is reported before insufficient credits`,
      provenance: 'assumed',
      isFree: true,
      async check(context) {
        const [first] = operation.requestBody.content['application/json'].schema.required;
        const key = await context.getKey({ credits: 0 });
        const response = await context.callAndValidate(path, withChanges(body, { [first]: undefined }), {
          key,
        });
        if (response.status !== 400) throw new Mismatch('400', describeResponse(response));
      },
    },
  ];
}

const listPollPaths = ({ document }: ContractValidator) =>
  Object.keys(document.paths).filter((path) => path.endsWith('/check-status'));

/** Converts the response to a submission to polls of another API, one for each id in it. */
function pollBodiesFor(validator: ContractValidator, path: string, { shots, taskId, generationId }: Json): Json[] {
  const [field = ''] = Object.keys(getProperties(validator.operationOf(path)));
  const { shotId = 'shot-1', taskId: shotTaskId } = shots?.[0] ?? {};
  const ids = [taskId ?? shotTaskId, ...(generationId === undefined ? [] : [generationId])];
  return ids.map((id) => ({ [field]: field === 'taskIds' ? [{ shotId, taskId: id }] : id }));
}
