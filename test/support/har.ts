import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import draft6 from 'ajv/dist/refs/json-schema-draft-06.json' with { type: 'json' };
import formatsPlugin from 'ajv-formats';
import { expect } from 'vitest';

/** The JSON Schemas of HAR 1.2 by name; the package has no types. */
const schemas: Record<string, object> = createRequire(import.meta.url)('har-schema');

// The schemas contain keywords of their own, such as "optional".
const ajv = new Ajv({ strict: false, allErrors: true });
formatsPlugin.default(ajv);
ajv.addMetaSchema(draft6);
ajv.addSchema(Object.values(schemas));
const validate = ajv.getSchema('har.json')!;

/** Expects a valid HAR document. */
export function expectValidHar(har: unknown): void {
  validate(har);
  expect(validate.errors ?? []).toEqual([]);
}
