import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/client/types.ts';
import { describeRule } from '../../src/console/views/faults/fault-sentence.ts';

const POLL = '/api/sora-2/check-status';

/** The sentence about a rule, with the texts of clients in brackets. */
const describeFault = (rule: Pick<Fault, 'at' | 'effect'> & Partial<Fault>) =>
  describeRule({ match: {}, fired: 0, ...rule })
    .map((part) => (typeof part === 'string' ? part : `[${part.quoted}]`))
    .join('');

describe('fault rule as a sentence', () => {
  it.each<[Pick<Fault, 'at' | 'effect'> & Partial<Fault>, string]>([
    [
      { at: 'request', effect: { delayMs: 1000 }, match: { endpoint: POLL }, times: 1 },
      `The next poll to [${POLL}] is delayed by 1 s.`,
    ],
    [
      { at: 'request', effect: { errorCode: 'INTERNAL_ERROR', status: 502 }, match: { family: 'veo-3' }, after: 2 },
      'Every request of the family veo-3, after the first 2, gets [INTERNAL_ERROR] with status 502.',
    ],
    [
      { at: 'charge', effect: { fail: true }, match: { endpoint: '/api/sora-2/generate' }, times: 3, fired: 1 },
      'The next 2 submissions to [/api/sora-2/generate] fail before their credits are held.',
    ],
    [
      { at: 'accepted', effect: { delayMs: 250, reset: true }, probability: 0.5 },
      'Every request is delayed by 250 ms and gets a connection reset after it has been charged, ' +
        'with a probability of 50 %.',
    ],
    [
      { at: 'task', effect: { errorCode: 'GENERATION_FAILED' }, match: { contains: 'a storm' }, times: 1, fired: 1 },
      'The next task whose input contains “[a storm]” fails with [GENERATION_FAILED].',
    ],
    [{ at: 'task', effect: { hang: true }, times: 2 }, 'The next 2 tasks never end.'],
    [{ at: 'task', effect: { durationMs: 90_000 } }, 'Every task takes 1:30 min.'],
    [{ at: 'stream', effect: { truncateAfter: 1 } }, 'Every text is cut off after 1 byte.'],
    [
      { at: 'media', effect: { hang: true }, match: { endpoint: '/media/a.mp4' }, times: 2 },
      'The next 2 fetches of [/media/a.mp4] get no response.',
    ],
    [
      { at: 'request', effect: { answer: { status: 418, text: '' } }, after: 1 },
      'Every request, after the first one, gets a canned response with status 418.',
    ],
    [{ at: 'request', effect: { malformed: true } }, 'Every request gets malformed JSON.'],
    [{ at: 'request', effect: { empty: true } }, 'Every request gets a closed connection instead of a response.'],
  ])('%j', (rule, expected) => {
    expect(describeFault(rule)).toBe(expected);
  });
});
