import type { AccountControl } from '../client/interface.ts';
import type { LedgerEntry } from '../client/types.ts';
import type { Source } from '../http/doc.ts';
import type { Json } from '../openapi/schema.ts';
import { assertAccepted, type Bench, told } from './bench.ts';
import { changed, completed, plainBody, pollBodyOf } from './bodies.ts';
import type { Case } from './case.ts';
import type { Conformity } from './conformity.ts';
import { Differs, NotChecked } from './findings.ts';
import { assertFiles, traitsOf } from './results.ts';

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
        const polledBody = pollBodyOf(answer.body);
        const seen = await bench.conforming(pollPath, polledBody, { key: await bench.key() });
        const expected = conformity.hasCode(pollPath, 'FORBIDDEN') ? 403 : 404;
        if (seen.status !== expected) throw new Differs(`${expected}`, told(seen));
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

async function assertTaken(account: AccountControl, price: number): Promise<void> {
  const { entries, balance } = await account.ledger();
  const granted = entries.find(({ kind }) => kind === 'grant')?.amount ?? 0;
  if (granted - balance !== price) throw new Differs(`${price} credits taken`, `${granted - balance}`);
}

function assertKinds({ entries }: { entries: LedgerEntry[] }, kinds: string[]): void {
  const actual = entries.map(({ kind }) => kind).join(', ');
  if (actual !== kinds.join(', ')) throw new Differs(`the entries ${kinds.join(', ')}`, actual);
}

/** Texts: that they arrive, in the language that was asked for, and that what breaks off is refunded. */
export function streamCases(conformity: Conformity, path: string): Case[] {
  const { 200: accepted } = conformity.operationOf(path).responses;
  if (!accepted.content['text/plain']) return [];
  const operation = conformity.operationOf(path);
  const body = plainBody(conformity, path);
  const name = path.slice('/api/'.length);
  const textOf = async (bench: Bench, sent: Json) => {
    const answer = await bench.conforming(path, completed(operation, sent));
    assertAccepted(answer);
    return answer;
  };
  const cases: Case[] = [
    {
      id: `${name}/stream`,
      name: `${path}: the text is plain, in UTF-8, and has no length told in advance`,
      mark: 'D',
      isFree: false,
      async check(bench) {
        const { headers } = await textOf(bench, body);
        const told = `${headers.get('content-type')}, length ${headers.get('content-length') ?? 'not told'}`;
        const isRight = /^text\/plain; charset=utf-8$/i.test(headers.get('content-type') ?? '');
        if (!isRight || headers.has('content-length')) {
          throw new Differs('text/plain; charset=utf-8, chunked', told);
        }
      },
    },
    {
      id: `${name}/languages`,
      name: `${path}: the text is in the language that was asked for`,
      mark: 'D',
      isFree: false,
      async check(bench) {
        for (const [locale, script] of Object.entries(SCRIPTS)) {
          const answer = await textOf(bench, changed(body, { locale }));
          if (!script.test(answer.text)) throw new Differs(`a text in ${locale}`, told(answer));
        }
      },
    },
    {
      id: `${name}/broken-stream-is-refunded`,
      name: `${path}: a text that breaks off is refunded`,
      mark: 'X',
      isFree: false,
      async check(bench) {
        const key = await bench.key();
        const account = bench.accountOf(key, 'needs a text that breaks off');
        await account.faults.add({ at: 'stream', effect: { fail: true }, times: 1 });
        await bench.call(path, body, { key }).catch(() => {});
        await assertTaken(account, 0);
      },
    },
  ];
  return cases;
}

/** Letters that a text in a language has and others have not. */
const SCRIPTS: Record<string, RegExp> = {
  zh: /\p{Script=Han}{4}/u,
  ja: /\p{Script=Hiragana}/u,
  ko: /\p{Script=Hangul}/u,
  ru: /\p{Script=Cyrillic}{4}/u,
  ar: /\p{Script=Arabic}{3}/u,
};
