import { patternsOf, type WireSample } from '../../openapi/wire-samples.ts';
import type { Case } from '../case.ts';
import { type Bench, told } from '../case-context.ts';
import { Differs, NotChecked, shown } from '../case-errors.ts';
import { asSampled, type Ids, idsIn, withValues } from '../recordings/sample-matching.ts';

/** One case for each documented request and its answer. */
export const sampleCases = (samples: readonly WireSample[]): Case[] =>
  samples.flatMap((sample) => {
    const { id, name, mark, given, response } = sample;
    const isFree = given?.submitted === undefined && mark === 'D' && response.status >= 400;
    const { text, ...rest } = response;
    const plain = { ...sample, response: rest };
    const own: Case = { id, name, mark, isFree, check: (bench) => replay(bench, plain) };
    if (!Array.isArray(text)) return [own];
    // That there is a text is documented; what it looks like is not.
    const form = { id: `${id}-form`, name: `${name}, in the emulator's words`, mark: 'X' as const, isFree };
    return [own, { ...form, check: (bench) => replay(bench, sample) }];
  });

async function replay(bench: Bench, { given = {}, request, response }: WireSample): Promise<void> {
  const { credits, requestsBefore, refusal } = given;
  const key = await bench.key({
    ...(credits !== undefined && { credits }),
    ...(requestsBefore !== undefined && { rateLimit: requestsBefore }),
  });
  for (let n = 0; n < (requestsBefore ?? 0); n++) await bench.call(request.path, {}, { key });
  if (refusal) {
    const account = bench.accountOf(key, `${refusal} cannot be provoked by a request`);
    await account.faults.add({ at: 'charge', effect: { errorCode: refusal } });
  }
  const ids = await submitted(bench, key, given);
  const body = withValues(request.body, ids, bench.videoOf4s);
  const { method = 'POST', text } = request;
  const ask = () => bench.call(request.path, body, { key, method, ...(text !== undefined && { text }) });
  const answer = given.ended === 'completed' ? await bench.finished(key, ask) : await ask();

  bench.conformity.assert(method, request.path, answer);
  const type = answer.headers.get('content-type');
  const expectedType = response.contentType ?? 'application/json';
  if (answer.status !== response.status || !type?.startsWith(expectedType.split(';', 1)[0]!)) {
    throw new Differs(`${response.status}, ${expectedType}`, `${told(answer)}, ${type}`);
  }
  if (response.body && asSampled(answer.text, response.body) !== JSON.stringify(response.body)) {
    throw new Differs(`${response.status} ${shown(response.body)}`, told(answer));
  }
  for (const pattern of patternsOf(response)) {
    if (!new RegExp(pattern).test(answer.text)) throw new Differs(`a text with /${pattern}/`, told(answer));
  }
}

/** Sends what the sample's task comes from, and brings the task to where the sample finds it. */
async function submitted(bench: Bench, key: string, given: NonNullable<WireSample['given']>): Promise<Ids> {
  const { submitted: sent, submittedBy, changes, ended } = given;
  if (!sent) return {};
  if (submittedBy && !bench.isControlled) throw new NotChecked('needs a second account');
  const owner = submittedBy ? await bench.key() : key;
  const ids = idsIn((await bench.call(sent.path, sent.body, { key: owner })).text);
  if (!changes && ended !== 'failed') return ids;
  const account = bench.accountOf(owner, 'needs a task whose time can be moved, or that can be made to fail');
  for (let n = 0; n < (changes ?? 0); n++) await account.clock.advanceToNext();
  if (ended === 'failed') await account.tasks.fail(ids.taskId ?? '');
  return ids;
}
