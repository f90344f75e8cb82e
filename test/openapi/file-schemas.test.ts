import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formatsPlugin from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { toFileSchema } from '../../src/openapi/json-schema.ts';
import { FILE_SCHEMAS } from '../../src/server/seed-file.ts';
import { buildDocument } from '../support/account-document.ts';
import { createTestEmulator } from '../support/emulator.ts';

const read = (file: string) => JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));

function createValidator(file: string) {
  const ajv = new Ajv2020({ strict: false });
  formatsPlugin.default(ajv);
  return ajv.compile(read(file));
}
const isValidState = createValidator('docs/account-state.schema.json');
const isValidSeedFile = createValidator('docs/seed-file.schema.json');

const VERSION_1 = read('test/control-plane/account-v1.json');

describe('JSON Schemas of files', () => {
  it.each([
    ['docs/account-state.schema.json', FILE_SCHEMAS.state],
    ['docs/seed-file.schema.json', FILE_SCHEMAS.seedFile],
  ])('%s equals the schema of the code, as npm run docs writes it', (file, schema) => {
    expect(toFileSchema(schema)).toEqual(read(file));
  });

  it.each([
    ['an exported account', VERSION_1, true],
    ['a document with $schema', { $schema: 'x', ...buildDocument() }, true],
    ['a document of another version', { ...buildDocument(), version: 2 }, false],
    ['a document with an unknown field', { ...buildDocument(), extra: 1 }, false],
    ['a document without a rate limit', { ...buildDocument(), rateLimit: undefined }, false],
    ['a task without an id', { ...buildDocument(), tasks: [{ ...buildDocument().tasks[0], id: undefined }] }, false],
    ['a document with any requests and verdict', { ...buildDocument(), requests: [{ id: 5 }], verdict: 5 }, true],
    ['a document with an object as requests', { ...buildDocument(), requests: { id: 'a' } }, false],
    ['a document with a number as $schema', { $schema: 5, ...buildDocument() }, false],
  ])('account-state.schema.json judges %s like an import', async (_name, document, isValid) => {
    const { send } = await createTestEmulator();
    const content = JSON.parse(JSON.stringify(document));
    expect(isValidState(content)).toBe(isValid);
    expect(FILE_SCHEMAS.state.safeParse(content).success).toBe(isValid);
    const { status } = await send('POST', '/__admin/accounts/import', { key: null, body: content });
    expect(status).toBe(isValid ? 201 : 400);
  });

  it.each([
    ['the default file', read('fixtures/accounts.json'), true],
    ['a file with an exported account', { $schema: 'x', accounts: [{ key: 'a' }, VERSION_1] }, true],
    ['an exported account as the whole file', { $schema: 'x', ...VERSION_1 }, true],
    ['an exported account with defaults', { ...VERSION_1, defaults: {} }, false],
    ['an exported account with accounts', { ...VERSION_1, accounts: [] }, false],
    ['a file with prices', { prices: { 'sora-2': { sora2: { 10: 5 } } } }, true],
    ['a file with a wrong price', { prices: { 'sora-2': { sora2: { 10: 'free' } } } }, false],
    ['an account without a key', { accounts: [{ credits: 5 }] }, false],
    ['a rule without an effect', { accounts: [{ key: 'a', faults: [{ at: 'task' }] }] }, false],
  ])('seed-file.schema.json judges %s like the start', (_name, content, isValid) => {
    expect(isValidSeedFile(content)).toBe(isValid);
    expect(FILE_SCHEMAS.seedFile.safeParse(content).success).toBe(isValid);
  });
});
