import { expect, it } from 'vitest';
import { FAMILIES } from '../../src/families/index.ts';
import { toJsonSchema } from '../../src/openapi/json-schema.ts';

const ROUTES = FAMILIES.flatMap(({ routes }) => routes);

it.each(ROUTES)('$path has every error code of its body in its own error table', ({ body, errors }) => {
  const components = new Map();
  const schema = JSON.stringify([toJsonSchema(body, 'input', components), ...components.values()]);
  const codes = [...schema.matchAll(/"x-(?:error|max-items)-code":"(\w+)"/g)].map(([, code]) => code!);
  expect(Object.keys(errors)).toEqual(expect.arrayContaining(codes));
});

it('bodies of all kinds of routes have error codes', () => {
  const withCodes = ROUTES.filter(({ body }) =>
    /"x-error-code"/.test(JSON.stringify(toJsonSchema(body, 'input', new Map()))),
  );
  expect(new Set(withCodes.map(({ kind }) => kind))).toEqual(new Set(ROUTES.map(({ kind }) => kind)));
});
