import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, type Bench, told } from '../case-context.ts';
import { Differs } from '../case-errors.ts';
import { type Conformity, propertiesOf } from '../contract-validator.ts';
import { isKnown, isWrittenIn } from '../languages.ts';
import { assertTaken } from '../ledger-assertions.ts';
import { changed, completed, plainBody } from '../request-bodies.ts';

const languagesOf = (operation: Json): string[] =>
  ((propertiesOf(operation).locale?.enum ?? []) as string[]).filter(isKnown);

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
    ...languagesOf(operation).map(
      (locale): Case => ({
        id: `${name}/language-${locale}`,
        name: `${path}: the text is in the language ${locale}`,
        mark: 'D',
        isFree: false,
        async check(bench) {
          const answer = await textOf(bench, changed(body, { locale }));
          if (!isWrittenIn(locale, answer.text)) throw new Differs(`a text in ${locale}`, told(answer));
        },
      }),
    ),
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
