import { getTextPatterns, type WireSample } from '../../openapi/wire-samples.ts';
import type { Case } from '../case.ts';
import { type CaseContext, describeResponse } from '../case-context.ts';
import { excerpt, Mismatch, Skipped } from '../case-errors.ts';
import { extractIds, type Ids, normalizeToSample, substituteValues } from '../recordings/sample-matching.ts';

/** One case for each documented request and its answer. */
export const sampleCases = (samples: readonly WireSample[]): Case[] =>
  samples.flatMap((sample) => {
    const { id, name, provenance, given, response } = sample;
    const isFree = given?.submitted === undefined && provenance === 'documented' && response.status >= 400;
    const { text, ...rest } = response;
    const withoutText = { ...sample, response: rest };
    const ownCase: Case = { id, name, provenance, isFree, check: (context) => replay(context, withoutText) };
    if (!Array.isArray(text)) return [ownCase];
    // That there is a text is documented; what it looks like is not.
    const formCase = {
      id: `${id}-form`,
      name: `${name}, in the emulator's words`,
      provenance: 'assumed' as const,
      isFree,
    };
    return [ownCase, { ...formCase, check: (context) => replay(context, sample) }];
  });

async function replay(context: CaseContext, { given = {}, request, response }: WireSample): Promise<void> {
  const { credits, requestsBefore, refusal } = given;
  const key = await context.getKey({
    ...(credits !== undefined && { credits }),
    ...(requestsBefore !== undefined && { rateLimit: requestsBefore }),
  });
  for (let n = 0; n < (requestsBefore ?? 0); n++) await context.call(request.path, {}, { key });
  if (refusal) {
    const account = context.requireAccountControl(key, `${refusal} cannot be provoked by a request`);
    await account.faults.add({ at: 'charge', effect: { errorCode: refusal } });
  }
  const ids = await prepareTask(context, key, given);
  const body = substituteValues(request.body, ids, context.getFourSecondVideo);
  const { method = 'POST', text } = request;
  const send = () => context.call(request.path, body, { key, method, ...(text !== undefined && { text }) });
  const actual = given.ended === 'completed' ? await context.pollUntilDone(key, send) : await send();

  context.validator.assert(method, request.path, actual);
  const type = actual.headers.get('content-type');
  const expectedType = response.contentType ?? 'application/json';
  if (actual.status !== response.status || !type?.startsWith(expectedType.split(';', 1)[0]!)) {
    throw new Mismatch(`${response.status}, ${expectedType}`, `${describeResponse(actual)}, ${type}`);
  }
  if (response.body && normalizeToSample(actual.text, response.body) !== JSON.stringify(response.body)) {
    throw new Mismatch(`${response.status} ${excerpt(response.body)}`, describeResponse(actual));
  }
  for (const pattern of getTextPatterns(response)) {
    if (!new RegExp(pattern).test(actual.text))
      throw new Mismatch(`a text with /${pattern}/`, describeResponse(actual));
  }
}

/** Sends what the sample's task comes from, and brings the task to where the sample finds it. */
async function prepareTask(context: CaseContext, key: string, given: NonNullable<WireSample['given']>): Promise<Ids> {
  const { submitted: submission, submittedBy, changes, ended } = given;
  if (!submission) return {};
  if (submittedBy && !context.isControlled) throw new Skipped('needs a second account');
  const owner = submittedBy ? await context.getKey() : key;
  const ids = extractIds((await context.call(submission.path, submission.body, { key: owner })).text);
  if (!changes && ended !== 'failed') return ids;
  const account = context.requireAccountControl(
    owner,
    'needs a task whose time can be moved, or that can be made to fail',
  );
  for (let n = 0; n < (changes ?? 0); n++) await account.clock.advanceToNext();
  if (ended === 'failed') await account.tasks.fail(ids.taskId ?? '');
  return ids;
}
