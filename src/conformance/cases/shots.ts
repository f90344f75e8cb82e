import type { Source } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { type Answer, assertAccepted, assertRefused, type Bench, isUnderWay, told } from '../case-context.ts';
import { Differs } from '../case-errors.ts';
import { type Conformity, propertiesOf } from '../contract-validator.ts';
import { changed, plainBody } from '../request-bodies.ts';

/** In no alphabetical order, which would hide that somebody sorts them. */
const IDS = ['opening', 'middle', 'end'];

/** A request of several shots: one task each, made and told one after the other. */
export function shotCases(conformity: Conformity, path: string): Case[] {
  const operation = conformity.operationOf(path);
  const pollPath = path.replace(/generate$/, 'check-status');
  if (!path.endsWith('/generate') || !propertiesOf(operation).shots) return [];
  const name = path.slice('/api/'.length, -'/generate'.length);
  const base = plainBody(conformity, path);
  const body = changed(base, { shots: IDS.map((id) => ({ ...base.shots[0], id })) });
  const price = conformity.priceOf(path, base);

  async function submitted(bench: Bench) {
    const key = await bench.key();
    const accepted = await bench.conforming(path, body, { key });
    assertAccepted(accepted);
    assertShots(accepted, IDS);
    const shots: Json[] = accepted.body.shots;
    const poll = (places = [0, 1, 2]) => {
      const taskIds = places.map((place) => ({
        shotId: shots[place].shotId,
        taskId: shots[place].taskId,
      }));
      return bench.conforming(pollPath, { taskIds }, { key });
    };
    return { key, accepted, shots, poll };
  }
  const one = (id: string, sentence: string, mark: Source, check: Case['check']): Case => ({
    id: `${name}/${id}`,
    name: `${name}: ${sentence}`,
    mark,
    isFree: false,
    check,
  });

  return [
    one(
      'shots-in-order',
      'shots are told in the order of the request, each with a task of its own',
      'D',
      async (bench) => {
        const { accepted, shots } = await submitted(bench);
        if (new Set(shots.map(({ taskId }) => taskId)).size !== IDS.length) {
          throw new Differs('a task for each shot', told(accepted));
        }
        const credits = price * IDS.length;
        if (accepted.body.creditsUsed !== credits)
          throw new Differs(`creditsUsed ${credits}`, told(accepted));
      },
    ),
    one('shots-one-after-another', 'a shot begins when the one before it has ended', 'D', async (bench) => {
      const { key, poll } = await submitted(bench);
      if (!bench.isControlled) {
        const look = async () => assertFirstOnesDone(await poll());
        await bench.finished(key, look);
        return;
      }
      const account = bench.accountOf(key, '');
      const now = async () => Date.parse((await account.get()).clock.now);
      let beganMs = await now();
      for (const [place] of IDS.entries()) {
        await account.clock.advanceToNext();
        const answer = assertFirstOnesDone(await poll());
        const { status, generationTime } = answer.body.shots[place];
        const tookSeconds = ((await now()) - beganMs) / 1000;
        beganMs += tookSeconds * 1000;
        if (status !== 'completed') throw new Differs(`${IDS[place]} to be completed next`, told(answer));
        if (!(Math.abs(generationTime - tookSeconds) <= 1)) {
          const expected = `generationTime ${Math.round(tookSeconds)} of ${IDS[place]}, from the end of the shot before it`;
          throw new Differs(expected, told(answer));
        }
        assertStatuses(
          answer,
          [...IDS.keys()].map((n) => (n <= place ? 'completed' : 'processing')),
        );
      }
    }),
    one(
      'failed-shot',
      'a shot that fails is refunded by itself, and the others are made',
      'X',
      async (bench) => {
        const { key, shots, poll } = await submitted(bench);
        const account = bench.accountOf(key, 'a failure cannot be asked for');
        await account.clock.advanceToNext();
        await account.tasks.fail(shots[1].taskId);
        assertStatuses(await poll(), ['completed', 'failed', 'processing']);
        assertStatuses(await poll([1]), ['failed']);
        assertStatuses(await poll([0, 1]), ['completed', 'failed']);
        assertStatuses(await poll([0]), ['completed']);
        await bench.finished(key, poll);
        assertStatuses(await poll(), ['completed', 'failed', 'completed']);
        const { entries } = await account.ledger();
        const kinds = entries.map(
          ({ kind, taskId }) => `${kind} ${shots.findIndex((one) => one.taskId === taskId)}`,
        );
        const expected = ['grant -1', 'hold 0', 'hold 1', 'hold 2', 'capture 0', 'refund 1', 'capture 2'];
        if (kinds.join() !== expected.join()) throw new Differs(expected.join(', '), kinds.join(', '));
      },
    ),
    one('polled-shots', 'a poll tells of the shots that it names, in its order', 'X', async (bench) => {
      const { poll } = await submitted(bench);
      assertShots(await poll([2, 0]), [IDS[2]!, IDS[0]!]);
      assertShots(await poll([1]), [IDS[1]!]);
    }),
    one('wrong-shot', "a task under another shot's id is not found", 'X', async (bench) => {
      const { key, shots } = await submitted(bench);
      const taskIds = [{ shotId: shots[1].shotId, taskId: shots[0].taskId }];
      const { status } = conformity.codeOf(pollPath, 'TASK_NOT_FOUND');
      assertRefused(await bench.conforming(pollPath, { taskIds }, { key }), status, 'TASK_NOT_FOUND');
    }),
    one(
      'unknown-shot',
      'a poll that names a task that there is not, beside one that there is, is refused',
      'D',
      async (bench) => {
        const { key, shots } = await submitted(bench);
        const known = { shotId: shots[0].shotId, taskId: shots[0].taskId };
        const taskIds = [known, { shotId: shots[1].shotId, taskId: 'task_nobodyhasthisone' }];
        const { status } = conformity.codeOf(pollPath, 'TASK_NOT_FOUND');
        assertRefused(await bench.conforming(pollPath, { taskIds }, { key }), status, 'TASK_NOT_FOUND');
      },
    ),
  ];
}

function assertShots(answer: Answer, ids: readonly string[]): void {
  const named = ((answer.body?.shots ?? []) as Json[]).map(({ shotId }) => shotId);
  if (named.join() !== ids.join()) throw new Differs(`the shots ${ids.join(', ')}`, told(answer));
}

/** One verdict over them all: under way while one is, then failed if one has. */
function assertStatuses(answer: Answer, statuses: readonly string[]): void {
  const actual = ((answer.body?.shots ?? []) as Json[]).map(({ status }) => status);
  const overall = ['processing', 'failed', 'completed'].find((status) => statuses.includes(status));
  if (actual.join() !== statuses.join() || answer.body.status !== overall) {
    throw new Differs(`${overall}: ${statuses.join(', ')}`, told(answer));
  }
}

/** @throws Differs where a shot is done before the one that comes before it */
function assertFirstOnesDone(answer: Answer): Answer {
  assertAccepted(answer);
  assertShots(answer, IDS);
  const ended = (answer.body.shots as Json[]).map(({ status }) => status !== 'processing');
  if (ended.some((hasEnded, place) => hasEnded && ended[place - 1] === false)) {
    throw new Differs('no shot that ends before the one before it', told(answer));
  }
  if (isUnderWay(answer) === ended.every(Boolean)) {
    throw new Differs('processing while any shot is, and no longer', told(answer));
  }
  return answer;
}
