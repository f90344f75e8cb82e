import type { Source } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { type Answer, assertAccepted, type Bench, isUnderWay, told } from '../case-context.ts';
import { Differs } from '../case-errors.ts';
import type { Conformity } from '../contract-validator.ts';
import { plainBody, pollBodyOf } from '../request-bodies.ts';

/** So often a task is looked at on its way, where time can be moved. */
const LOOKS = 8;
const AN_HOUR_MS = 3_600_000;
const AN_HOUR_SECONDS = 3600;

/** Clients poll again and again: what they are told never goes back. */
export function progressCases(conformity: Conformity, path: string): Case[] {
  const pollPath = path.replace(/generate$/, 'check-status');
  const polling = conformity.operationOf(pollPath);
  if (!path.endsWith('/generate') || !polling) return [];
  const name = path.slice('/api/'.length, -'/generate'.length);
  const body = plainBody(conformity, path);
  const examples = JSON.stringify(polling.responses[200].content['application/json'].examples);

  async function submitted(bench: Bench) {
    const key = await bench.key();
    const answer = await bench.conforming(path, body, { key });
    assertAccepted(answer);
    return { key, poll: () => bench.conforming(pollPath, pollBodyOf(answer.body), { key }) };
  }
  const one = (id: string, sentence: string, check: Case['check']): Case => ({
    id: `${name}/${id}`,
    name: `${name}: ${sentence}`,
    mark: 'X' satisfies Source,
    isFree: false,
    check,
  });

  const cases = [
    one('progress-never-falls', 'what is told of a task under way never goes back', async (bench) => {
      const { key, poll } = await submitted(bench);
      const seen = new Set<string>();
      let last: Answer | undefined;
      const look = async () => {
        const answer = await poll();
        assertOnward(last, answer, seen);
        last = answer;
        return answer;
      };
      if (bench.isControlled) {
        const account = bench.accountOf(key, '');
        const [task] = await account.tasks.list();
        for (let n = 0; n < LOOKS; n++) {
          await look();
          await account.clock.advance(Math.ceil((task?.plan.endMs ?? 0) / LOOKS));
        }
      }
      await bench.finished(key, look);
    }),
    one('finished-for-good', 'a task that has finished stays as it is', async (bench) => {
      const { key, poll } = await submitted(bench);
      const end = await bench.finished(key, poll);
      for (let n = 0; n < 3; n++) {
        if (bench.isControlled) await bench.accountOf(key, '').clock.advance(AN_HOUR_MS);
        const again = await poll();
        if (unsigned(again) !== unsigned(end)) throw new Differs(told(end), told(again));
      }
    }),
  ];
  if (!examples.includes('"generationTime"')) return cases;
  return [
    ...cases,
    one('generation-time', 'generationTime is in seconds', async (bench) => {
      const { key, poll } = await submitted(bench);
      const account = bench.isControlled ? bench.accountOf(key, '') : undefined;
      const nowMs = async () => Date.parse((await account?.get())?.clock.now ?? '');
      const beganMs = await nowMs();
      // Not to its end and far beyond: how long it took is to be seen.
      for (let n = 0; account && n < LOOKS && isUnderWay(await poll()); n++)
        await account.clock.advanceToNext();
      const tookSeconds = ((await nowMs()) - beganMs) / 1000;
      const end = await bench.finished(key, poll);
      const seconds: Json = (end.body?.shots?.[0] ?? end.body)?.generationTime;
      if (!account && seconds > AN_HOUR_SECONDS) throw new Differs('an hour at most, in seconds', told(end));
      if (account && !(Math.abs(seconds - tookSeconds) <= 1)) {
        throw new Differs(`generationTime ${Math.round(tookSeconds)}`, told(end));
      }
    }),
  ];
}

const RANKS = ['pending', 'generating', 'processing'];

/** `seen`: what was told before it became something else. @throws Differs for a step back */
function assertOnward(last: Answer | undefined, answer: Answer, seen: Set<string>): void {
  const isUnderWayNow = isUnderWay(answer);
  const { status, progress } = answer.body ?? {};
  if (isUnderWayNow && typeof progress === 'number' && status === 'pending' && progress !== 0) {
    throw new Differs('progress 0 while pending', told(answer));
  }
  if (!last) return;
  const before = last.body ?? {};
  const after = `after ${told(last)}`;
  if (!isUnderWay(last)) {
    if (status !== before.status) throw new Differs(`${before.status} still`, `${told(answer)} ${after}`);
    return;
  }
  if (isUnderWayNow && RANKS.indexOf(status) < RANKS.indexOf(before.status)) {
    throw new Differs(`no step back from ${before.status}`, `${told(answer)} ${after}`);
  }
  if (!isUnderWayNow || progress === undefined) return;
  if (typeof progress === 'number') {
    if (progress < before.progress) throw new Differs(`progress ${before.progress} or more`, told(answer));
    return;
  }
  // Steps have names, and each comes once.
  if (progress !== before.progress) seen.add(String(before.progress));
  if (seen.has(progress))
    throw new Differs(`another step than ${progress} again`, `${told(answer)} ${after}`);
}

/** Addresses may be signed anew for each answer. */
const unsigned = ({ status, text }: Answer) => `${status} ${text.replaceAll(/\?[^"]*/g, '')}`;
