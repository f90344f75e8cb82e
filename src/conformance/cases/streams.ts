import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, assertCharged, describeResponse } from '../assertions.ts';
import { type Case, type CaseContext, createCaseDefiner } from '../case-context.ts';
import { Mismatch } from '../case-errors.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import { isSupportedLocale, isWrittenIn } from '../languages.ts';
import { minimalBody, withChanges, withRequiredFields } from '../request-bodies.ts';

const listSupportedLocales = (operation: Json): string[] =>
  ((getProperties(operation).locale?.enum ?? []) as string[]).filter(isSupportedLocale);

/** Cases for text streams: their format and language, and the refund of a broken stream. */
export function streamCases(validator: ContractValidator, path: string): Case[] {
  const { 200: okResponse } = validator.operationOf(path).responses;
  if (!okResponse.content['text/plain']) return [];
  const operation = validator.operationOf(path);
  const body = minimalBody(validator, path);
  const defineCase = createCaseDefiner(path.slice('/api/'.length), path);
  const generateText = async (context: CaseContext, requestBody: Json) => {
    const response = await context.callAndValidate(path, withRequiredFields(operation, requestBody));
    assertAccepted(response);
    return response;
  };
  return [
    defineCase('stream', 'the response is a chunked stream of plain text in UTF-8', 'documented', async (context) => {
      const { headers } = await generateText(context, body);
      const actual = `${headers.get('content-type')}, content-length ${headers.get('content-length') ?? 'absent'}`;
      const isPlainText = /^text\/plain; charset=utf-8$/i.test(headers.get('content-type') ?? '');
      if (!isPlainText || headers.has('content-length')) {
        throw new Mismatch('text/plain; charset=utf-8, chunked', actual);
      }
    }),
    ...listSupportedLocales(operation).map((locale) =>
      defineCase(
        `language-${locale}`,
        `the text for locale ${locale} is in that language`,
        'documented',
        async (context) => {
          const response = await generateText(context, withChanges(body, { locale }));
          if (!isWrittenIn(locale, response.text))
            throw new Mismatch(`a text in ${locale}`, describeResponse(response));
        },
      ),
    ),
    defineCase('broken-stream-is-refunded', 'a broken stream is refunded', 'assumed', async (context) => {
      const key = await context.getKey();
      const account = context.requireAccountControl(key, 'needs the control plane to break a stream');
      await account.faults.add({ at: 'stream', effect: { fail: true }, times: 1 });
      await context.call(path, body, { key }).catch(() => {});
      await assertCharged(account, 0);
    }),
  ];
}
