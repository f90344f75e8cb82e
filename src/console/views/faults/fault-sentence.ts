import type { Effect, Fault, Stage } from '../../../client/types.ts';
import { formatDuration, formatNumber, pluralize } from '../../components/format.ts';

/** A part of a sentence. Texts of clients are marked, so that they are shown apart from the sentence. */
export type SentencePart = string | { quoted: string };

type Rule = Pick<Fault, 'at' | 'effect' | 'match' | 'times' | 'after' | 'probability' | 'fired'>;

/** Describes a rule as a sentence, such as "The next poll is delayed by 1 s." */
export function describeRule({ at, effect, match, times, after, probability, fired }: Rule): SentencePart[] {
  const { endpoint, family, contains } = match;
  const noun = nounFor(at, endpoint);
  const leftCount = times === undefined ? undefined : Math.max(1, times - fired);
  const isOne = leftCount === undefined || leftCount === 1;
  return [
    describeCount(noun, leftCount),
    ...(family === undefined ? [] : [` of the family ${family}`]),
    ...(endpoint === undefined ? [] : [at === 'media' ? ' of ' : ' to ', { quoted: endpoint }]),
    ...(contains === undefined ? [] : [` whose ${MATCHED_TEXTS[at] ?? 'body'} contains “`, { quoted: contains }, '”']),
    after ? `, after the first ${after === 1 ? 'one' : formatNumber(after)}, ` : ' ',
    ...describeEffects(at, effect, isOne),
    describeStage(at, isOne),
    probability === undefined ? '' : `, with a probability of ${Math.round(probability * 1000) / 10} %`,
    '.',
  ].filter((part) => part !== '');
}

const NOUNS: Partial<Record<Stage, string>> = { task: 'task', stream: 'text', media: 'fetch' };
const MATCHED_TEXTS: Partial<Record<Stage, string>> = { task: 'input', media: 'input' };

function describeStage(at: Stage, isOne: boolean): string {
  if (at === 'charge') return ` before ${isOne ? 'its' : 'their'} credits are held`;
  return at === 'accepted' ? ` after ${isOne ? 'it has' : 'they have'} been charged` : '';
}

function nounFor(at: Stage, endpoint: string | undefined): string {
  const noun = NOUNS[at];
  if (noun) return noun;
  if (endpoint?.endsWith('/check-status')) return 'poll';
  return endpoint?.endsWith('/generate') ? 'submission' : 'request';
}

/** "Every poll", "The next poll", "The next 3 polls". */
function describeCount(noun: string, leftCount: number | undefined): string {
  if (leftCount === undefined) return `Every ${noun}`;
  return `The next ${leftCount === 1 ? noun : pluralize(leftCount, noun, noun === 'fetch' ? 'fetches' : undefined)}`;
}

/** The effects in the order in which they apply. */
function describeEffects(at: Stage, effect: Effect, isOne: boolean): SentencePart[] {
  const { errorCode, status, fail, hang, durationMs, delayMs, reset, empty, truncateAfter, malformed, answer } = effect;
  const get = isOne ? 'gets' : 'get';
  const is = isOne ? 'is' : 'are';
  const isTask = at === 'task';
  const phrases: SentencePart[][] = [];
  if (durationMs !== undefined) phrases.push([`${isOne ? 'takes' : 'take'} ${formatDuration(durationMs)}`]);
  if (delayMs !== undefined) phrases.push([`${is} delayed by ${formatDuration(delayMs)}`]);
  if (hang) phrases.push([isTask ? `never ${isOne ? 'ends' : 'end'}` : `${get} no response`]);
  if (reset) phrases.push([`${get} a connection reset`]);
  if (empty) phrases.push([`${get} a closed connection instead of a response`]);
  if (fail) phrases.push([isOne ? 'fails' : 'fail']);
  if (errorCode !== undefined) {
    const verb = isTask ? (isOne ? 'fails with' : 'fail with') : get;
    phrases.push([`${verb} `, { quoted: errorCode }, ...(status === undefined ? [] : [` with status ${status}`])]);
  }
  if (answer) phrases.push([`${get} a canned response with status ${answer.status}`]);
  if (truncateAfter !== undefined) phrases.push([`${is} cut off after ${pluralize(truncateAfter, 'byte')}`]);
  if (malformed) phrases.push([`${get} malformed JSON`]);
  return phrases.flatMap((phrase, index) => (index === 0 ? phrase : [' and ', ...phrase]));
}
