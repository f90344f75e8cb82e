import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, describeResponse, isInProgress } from '../assertions.ts';
import { type Case, type CaseContext, createCaseDefiner } from '../case-context.ts';
import { Mismatch } from '../case-errors.ts';
import type { ContractValidator } from '../contract-validator.ts';
import type { HttpResponse } from '../http-client.ts';
import { minimalBody, toPollBody } from '../request-bodies.ts';

/** Number of polls until the end of a task, where time can be advanced. */
const POLL_COUNT = 8;
const HOUR_MS = 3_600_000;
const HOUR_SECONDS = 3600;

/** Cases for repeated polls: progress never decreases, and a finished task does not change. */
export function progressCases(validator: ContractValidator, path: string): Case[] {
  const pollPath = path.replace(/generate$/, 'check-status');
  const pollOperation = validator.operationOf(pollPath);
  if (!path.endsWith('/generate') || !pollOperation) return [];
  const name = path.slice('/api/'.length, -'/generate'.length);
  const body = minimalBody(validator, path);
  const examples = JSON.stringify(pollOperation.responses[200].content['application/json'].examples);

  async function submit(context: CaseContext) {
    const key = await context.getKey();
    const response = await context.callAndValidate(path, body, { key });
    assertAccepted(response);
    return { key, poll: () => context.callAndValidate(pollPath, toPollBody(response.body), { key }) };
  }
  const defineCase = createCaseDefiner(name, name);

  const cases = [
    defineCase(
      'progress-never-falls',
      'the status and progress of a task never go back',
      'assumed',
      async (context) => {
        const { key, poll } = await submit(context);
        const pastSteps = new Set<string>();
        let last: HttpResponse | undefined;
        const pollAndCheck = async () => {
          const response = await poll();
          assertNoRegression(last, response, pastSteps);
          last = response;
          return response;
        };
        if (context.isControlled) {
          const account = context.requireAccountControl(key, '');
          const [task] = await account.tasks.list();
          for (let n = 0; n < POLL_COUNT; n++) {
            await pollAndCheck();
            await account.clock.advance(Math.ceil((task?.plan.endMs ?? 0) / POLL_COUNT));
          }
        }
        await context.pollUntilDone(key, pollAndCheck);
      },
    ),
    defineCase('finished-for-good', 'a finished task does not change', 'assumed', async (context) => {
      const { key, poll } = await submit(context);
      const finalResponse = await context.pollUntilDone(key, poll);
      for (let n = 0; n < 3; n++) {
        if (context.isControlled) await context.requireAccountControl(key, '').clock.advance(HOUR_MS);
        const repeated = await poll();
        if (withoutSignatures(repeated) !== withoutSignatures(finalResponse))
          throw new Mismatch(describeResponse(finalResponse), describeResponse(repeated));
      }
    }),
  ];
  if (!examples.includes('"generationTime"')) return cases;
  return [
    ...cases,
    defineCase('generation-time', 'generationTime is in seconds', 'assumed', async (context) => {
      const { key, poll } = await submit(context);
      const account = context.isControlled ? context.requireAccountControl(key, '') : undefined;
      const getNowMs = async () => Date.parse((await account?.get())?.clock.now ?? '');
      const startMs = await getNowMs();
      // One transition at a time: the clock then shows when the task ended.
      for (let n = 0; account && n < POLL_COUNT && isInProgress(await poll()); n++) await account.clock.advanceToNext();
      const elapsedSeconds = ((await getNowMs()) - startMs) / 1000;
      const finalResponse = await context.pollUntilDone(key, poll);
      const seconds: Json = (finalResponse.body?.shots?.[0] ?? finalResponse.body)?.generationTime;
      if (!account && seconds > HOUR_SECONDS)
        throw new Mismatch('at most an hour, in seconds', describeResponse(finalResponse));
      if (account && !(Math.abs(seconds - elapsedSeconds) <= 1)) {
        throw new Mismatch(`generationTime ${Math.round(elapsedSeconds)}`, describeResponse(finalResponse));
      }
    }),
  ];
}

const STATUS_ORDER = ['pending', 'generating', 'processing'];

/**
 * Checks a poll against the previous one.
 *
 * @param pastSteps Named steps that ended in earlier polls; updated here.
 * @throws Mismatch when the status or the progress goes back
 */
function assertNoRegression(last: HttpResponse | undefined, response: HttpResponse, pastSteps: Set<string>): void {
  const isStillInProgress = isInProgress(response);
  const { status, progress } = response.body ?? {};
  if (isStillInProgress && typeof progress === 'number' && status === 'pending' && progress !== 0) {
    throw new Mismatch('progress 0 while pending', describeResponse(response));
  }
  if (!last) return;
  const previous = last.body ?? {};
  const suffix = `after ${describeResponse(last)}`;
  if (!isInProgress(last)) {
    if (status !== previous.status)
      throw new Mismatch(`status ${previous.status}`, `${describeResponse(response)} ${suffix}`);
    return;
  }
  if (isStillInProgress && STATUS_ORDER.indexOf(status) < STATUS_ORDER.indexOf(previous.status)) {
    throw new Mismatch(`no step back from ${previous.status}`, `${describeResponse(response)} ${suffix}`);
  }
  if (!isStillInProgress || progress === undefined) return;
  if (typeof progress === 'number') {
    if (progress < previous.progress)
      throw new Mismatch(`progress ${previous.progress} or more`, describeResponse(response));
    return;
  }
  // Otherwise progress names a step, and each step occurs once.
  if (progress !== previous.progress) pastSteps.add(String(previous.progress));
  if (pastSteps.has(progress))
    throw new Mismatch(`no second step ${progress}`, `${describeResponse(response)} ${suffix}`);
}

/** Removes query strings: URLs may be signed anew for each response. */
const withoutSignatures = ({ status, text }: HttpResponse) => `${status} ${text.replaceAll(/\?[^"]*/g, '')}`;
