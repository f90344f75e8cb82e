import type { Source } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, assertRefused, type Bench, told } from '../case-context.ts';
import { Differs, NotChecked } from '../case-errors.ts';
import { type Conformity, propertiesOf } from '../contract-validator.ts';
import { assertKinds, assertTaken } from '../ledger-assertions.ts';
import { changed, plainBody, pollBodyOf } from '../request-bodies.ts';
import { assertFiles, traitsOf } from './media.ts';

/** From submission to result, and to failure: what is polled, what it costs, what comes back. */
export function taskCases(conformity: Conformity, path: string): Case[] {
  const pollPath = path.replace(/generate$/, 'check-status');
  if (!path.endsWith('/generate') || !conformity.operationOf(pollPath)) return [];
  const operation = conformity.operationOf(path);
  const { 200: polled } = conformity.operationOf(pollPath).responses;
  const mark = polled['x-source'] as Source;
  const body = plainBody(conformity, path);
  const price = conformity.priceOf(path, body);
  const name = path.slice('/api/'.length, -'/generate'.length);

  async function submitted(bench: Bench, key: string) {
    const answer = await bench.conforming(path, body, { key });
    assertAccepted(answer);
    const poll = () => bench.conforming(pollPath, pollBodyOf(answer.body), { key });
    return { poll };
  }

  return [
    {
      id: `${name}/task-completes`,
      name: `${name}: a task is under way, then completed, and its files are there`,
      mark,
      isFree: false,
      async check(bench) {
        const key = await bench.key();
        const { poll } = await submitted(bench, key);
        const running = await poll();
        if (!['processing', 'pending', 'generating'].includes(running.body?.status)) {
          throw new Differs('a task under way', told(running));
        }
        const end = await bench.finished(key, poll);
        if (end.body?.status !== 'completed') throw new Differs('a completed task', told(end));
        await assertFiles(bench, end, traitsOf(conformity, path, body));
      },
    },
    {
      id: `${name}/task-is-paid`,
      name: `${name}: the credits are taken at once, and stay taken when the task completes`,
      mark: 'D',
      isFree: false,
      async check(bench) {
        const key = await bench.key();
        const account = bench.accountOf(key, 'needs to see the credits');
        const { poll } = await submitted(bench, key);
        await assertTaken(account, price);
        await bench.finished(key, poll);
        await assertTaken(account, price);
        assertKinds(await account.ledger(), ['grant', 'hold', 'capture']);
      },
    },
    {
      id: `${name}/failure-is-refunded`,
      name: `${name}: a task that fails is told as failed, and refunded once`,
      mark: 'D',
      isFree: false,
      async check(bench) {
        const key = await bench.key();
        const account = bench.accountOf(key, 'a failure cannot be asked for');
        const { poll } = await submitted(bench, key);
        const [task] = await account.tasks.list();
        await account.tasks.fail(task?.id ?? '');
        for (let n = 0; n < 2; n++) {
          const answer = await poll();
          if (answer.body?.status !== 'failed') throw new Differs('a failed task', told(answer));
        }
        await assertTaken(account, 0);
        assertKinds(await account.ledger(), ['grant', 'hold', 'refund']);
      },
    },
    {
      id: `${name}/task-of-another`,
      name: `${name}: another key's task is not to be had`,
      mark: conformity.hasCode(pollPath, 'FORBIDDEN') ? 'C' : 'D',
      isFree: false,
      async check(bench) {
        if (!bench.isControlled) throw new NotChecked('needs a second account');
        const answer = await bench.conforming(path, body, { key: await bench.key() });
        assertAccepted(answer);
        const seen = await bench.conforming(pollPath, pollBodyOf(answer.body), { key: await bench.key() });
        const code = conformity.hasCode(pollPath, 'FORBIDDEN') ? 'FORBIDDEN' : 'TASK_NOT_FOUND';
        assertRefused(seen, conformity.codeOf(pollPath, code).status, code);
      },
    },
    {
      id: `${name}/task-elsewhere`,
      name: `${name}: no other API knows its tasks, whoever asks`,
      mark: 'X',
      isFree: false,
      async check(bench) {
        const key = await bench.key();
        const answer = await bench.conforming(path, body, { key });
        assertAccepted(answer);
        // Where it is told whose a task is, it might be told of another API's, too.
        const tells = conformity.hasCode(pollPath, 'FORBIDDEN') && bench.isControlled;
        const keys = tells ? [key, await bench.key()] : [key];
        for (const elsewhere of pollPathsOf(conformity).filter((one) => one !== pollPath)) {
          const code = conformity.hasCode(elsewhere, 'TASK_NOT_FOUND') ? 'TASK_NOT_FOUND' : 'NOT_FOUND';
          for (const sent of pollBodiesAt(conformity, elsewhere, answer.body))
            for (const asking of keys) {
              const seen = await bench.conforming(elsewhere, sent, { key: asking });
              assertRefused(seen, conformity.codeOf(elsewhere, code).status, code);
            }
        }
      },
    },
    {
      id: `${name}/credits-after-body`,
      name: `${name}: what is wrong with a request is told before that credits are missing`,
      mark: 'X',
      isFree: true,
      async check(bench) {
        const [first] = operation.requestBody.content['application/json'].schema.required;
        const key = await bench.key({ credits: 0 });
        const answer = await bench.conforming(path, changed(body, { [first]: undefined }), { key });
        if (answer.status !== 400) throw new Differs('400', told(answer));
      },
    },
  ];
}

const pollPathsOf = ({ document }: Conformity) =>
  Object.keys(document.paths).filter((path) => path.endsWith('/check-status'));

/** What a submission was answered with, as another API would be asked for it: by each of its ids. */
function pollBodiesAt(conformity: Conformity, path: string, { shots, taskId, generationId }: Json): Json[] {
  const [field = ''] = Object.keys(propertiesOf(conformity.operationOf(path)));
  const { shotId = 'shot-1', taskId: ofShot } = shots?.[0] ?? {};
  const ids = [taskId ?? ofShot, ...(generationId === undefined ? [] : [generationId])];
  return ids.map((id) => ({ [field]: field === 'taskIds' ? [{ shotId, taskId: id }] : id }));
}
