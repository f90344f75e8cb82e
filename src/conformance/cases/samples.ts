import { getTextPatterns, type WireSample } from '../../openapi/wire-samples.ts';
import { describeResponse } from '../assertions.ts';
import type { Case, CaseContext } from '../case-context.ts';
import { excerpt, Mismatch, Skipped } from '../case-errors.ts';
import { extractIds, type Ids, normalizeToSample, substituteValues } from '../recordings/sample-matching.ts';

const SECOND_MS = 1000;

/** One case for each sample: it sends the request and compares the response. */
export const sampleCases = (samples: readonly WireSample[]): Case[] =>
  samples.flatMap((sample) => {
    const { id, name, given, response } = sample;
    const provenance = sample.provenance === 'recorded' ? 'observed' : sample.provenance;
    const isFree = given?.submitted === undefined && provenance === 'documented' && response.status >= 400;
    const { text, ...rest } = response;
    const withoutText = { ...sample, response: rest };
    const ownCase: Case = { id, name, provenance, isFree, check: (context) => replay(context, withoutText) };
    if (!Array.isArray(text)) return [ownCase];
    // It is documented that the response is text; the form of the text is assumed.
    const formCase = {
      id: `${id}-form`,
      name: `${name}, with a text in the emulator's format`,
      provenance: 'assumed' as const,
      isFree,
    };
    return [ownCase, { ...formCase, check: (context) => replay(context, sample) }];
  });

async function replay(context: CaseContext, { given = {}, request, response }: WireSample): Promise<void> {
  const { credits, requestsBefore, refusal, unauthorized } = given;
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
  const { method = 'POST', text, contentType } = request;
  const options = {
    ...{ key: unauthorized ? null : key, method },
    ...(text !== undefined && { text }),
    ...(contentType !== undefined && { headers: { 'content-type': contentType } }),
  };
  const send = () => context.call(request.path, body, options);
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
      throw new Mismatch(`a text that matches /${pattern}/`, describeResponse(actual));
  }
}

/** Submits the task of a sample and brings it into the state that the sample starts from. */
async function prepareTask(context: CaseContext, key: string, given: NonNullable<WireSample['given']>): Promise<Ids> {
  const { submitted: submission, submittedBy, changes = 0, ended, endedTasks = {} } = given;
  if (!submission) return new Map();
  if (submittedBy && !context.isControlled) throw new Skipped('needs a second account');
  const owner = submittedBy ? await context.getKey() : key;
  const ids = extractIds((await context.call(submission.path, submission.body, { key: owner })).text);
  const placeholders = [...ids.keys()].filter((placeholder) => placeholder.startsWith('task_'));
  const endings = ended === 'failed' ? placeholders.map((one) => [one, ended] as const) : Object.entries(endedTasks);
  if (changes === 0 && endings.length === 0) return ids;
  const account = context.requireAccountControl(owner, 'needs the control plane to advance the task or to let it fail');
  for (let n = 0; n < changes; n++) await account.clock.advanceToNext();
  // So that the time of the generation is not 0.
  if (endings.length > 0) await account.clock.advance(SECOND_MS);
  for (const [placeholder, outcome] of endings) {
    const id = ids.get(placeholder) ?? '';
    await (outcome === 'failed' ? account.tasks.fail(id) : account.tasks.complete(id));
  }
  return ids;
}
