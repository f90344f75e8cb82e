import { expect, it } from 'vitest';
import { isPublicUrl, requestFields } from '../../../src/families/kit/request-fields.ts';
import { createError } from '../../../src/http/pipeline/error-table.ts';

it('isPublicUrl › accepts non-ASCII URLs after it has been optimized', () => {
  const results = new Set<boolean>();
  // V8 optimizes a function after many calls; on Node 20, URL.canParse gives other results then.
  for (let n = 0; n < 50_000; n++) results.add(isPublicUrl('https://exämple.com/ü.png'));
  expect([...results]).toEqual([true]);
  for (const url of ['https://', 'https://a b/', 'https://[', 'ftp://a/', '/a.png', 5])
    expect(isPublicUrl(url), `${url}`).toBe(false);
});

it('error codes that the table of a route lacks › do not compile', () => {
  const errors = { PROMPT_REQUIRED: { status: 400, error: 'Prompt is required' } };
  const fields = requestFields(errors);
  fields.requiredText('PROMPT_REQUIRED');
  // @ts-expect-error
  fields.requiredText('TOPIC_REQUIRED');
  // @ts-expect-error
  fields.publicUrl('IMAGE_URLS_REQUIRED');
  // @ts-expect-error
  expect(createError(errors, 'NOT_FOUND', 'reason')).toMatchObject({ code: 'NOT_FOUND', message: 'reason' });
});
