import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createLimitingValidator, type InvalidBody } from '../../../src/http/pipeline/validation.ts';
import { createTestEmulator } from '../../support/emulator.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
type Json = any;

const LIMIT = 1000;
/** On a frozen clock, streams end at once. */
const KEY = 'np_test_frozen';
const FLAGS = ['--text-limit-characters', String(LIMIT), '--rate-limit', 'off'];
const SHOT = { id: '1', prompt: 'a', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' };
const URL_START = 'https://example.test/';
const withVideoUrl = (videoUrl: string) => ({ videoSource: 'url', videoUrl: `${URL_START}${videoUrl}.mp4` });

/** A body with a text of a given length, and the field that the error names. */
const BODIES: [path: string, field: string, body: (text: string) => object][] = [
  ['/api/sora-2/generate', 'prompt', (prompt) => ({ prompt, mode: 'textToVideo' })],
  ['/api/sora-2/generate', 'imageUrls[0]', (url) => imageBody('imageUrls', url)],
  ['/api/sora-2/check-status', 'taskId', (taskId) => ({ taskId })],
  ['/api/veo-3/generate', 'shots[0].prompt', (prompt) => ({ shots: [{ ...SHOT, prompt }] })],
  ['/api/veo-3/generate', 'shots[0].id', (id) => ({ shots: [{ ...SHOT, id }] })],
  ['/api/veo-3/check-status', 'taskIds[0].shotId', (shotId) => ({ taskIds: [{ shotId, taskId: 'task_1' }] })],
  ['/api/sora-2-tvc/generate', 'adTheme', (adTheme) => ({ adTheme })],
  ['/api/sora-2-tvc/generate', 'voiceoverScript', (voiceoverScript) => ({ adTheme: 'a', voiceoverScript })],
  ['/api/sora-2-tvc/generate', 'referenceImageUrl', (url) => ({ adTheme: 'a', referenceImageUrl: URL_START + url })],
  ['/api/nano-banana-2/generate', 'prompt', (prompt) => ({ prompt, mode: 'generate' })],
  ['/api/nano-banana-2/check-status', 'generationId', (generationId) => ({ generationId })],
  ['/api/sora/remove-watermark', 'share_link', (id) => ({ share_link: `https://sora.chatgpt.com/p/${id}` })],
  ['/api/sora-2/generate-prompt', 'model', (model) => ({ topic: 'a', model })],
  ['/api/sora-2/reverse-prompt', 'videoUrl', withVideoUrl],
  ['/api/sora-2/reverse-prompt', 'videoFileName', (videoFileName) => ({ ...withVideoUrl('a'), videoFileName })],
];

const imageBody = (field: string, url: string) => ({ prompt: 'a', mode: 'imageToVideo', [field]: [URL_START + url] });

describe('the limit of texts', () => {
  // id: text-limit-400
  it.each(BODIES)('of %s rejects a longer %s and charges nothing', async (path, field, toBody) => {
    const { post, account } = await createTestEmulator(FLAGS);
    const { balance } = account(KEY);
    const { status, body } = await post(path, toBody('x'.repeat(LIMIT + 1)), KEY);
    expect({ status, body }).toEqual({
      status: 400,
      body: {
        success: false,
        error: `Invalid parameter ${field}: expected at most ${LIMIT} characters`,
        errorCode: 'INVALID_INPUT',
      },
    });
    expect(account(KEY).balance).toBe(balance);
    const { body: accepted } = await post(path, toBody('x'.repeat(LIMIT - 100)), KEY);
    expect(accepted?.errorCode).not.toBe('INVALID_INPUT');
  });

  it('is 100,000 characters by default, and stated in /openapi.json for every text and list', async () => {
    const { get, post } = await createTestEmulator();
    const { paths } = (await get('/openapi.json')).body;
    const open: string[] = [];
    function visit(path: string, schema: Json): void {
      if (typeof schema !== 'object' || schema === null) return;
      const { type, maxLength, maxItems } = schema;
      if (type === 'string' && !schema.enum && maxLength === undefined && !schema['x-max-bytes']) open.push(path);
      if (type === 'array' && maxItems === undefined) open.push(path);
      for (const [name, inner] of Object.entries(schema)) visit(`${path}/${name}`, inner);
    }
    for (const [path, { post }] of Object.entries<Json>(paths)) visit(path, post.requestBody);
    expect(open).toEqual([]);
    const { prompt } = paths['/api/sora-2/generate'].post.requestBody.content['application/json'].schema.properties;
    expect(prompt).toMatchObject({ maxLength: 100_000, 'x-limit': { 'x-source': 'assumed' } });
    const submit = (length: number) =>
      post('/api/sora-2/generate', { prompt: 'x'.repeat(length), mode: 'textToVideo' });
    expect([(await submit(100_000)).status, (await submit(100_001)).status]).toEqual([200, 400]);
  });

  it('leaves documented limits, undocumented fields and uploaded files alone', async () => {
    const { post } = await createTestEmulator(FLAGS);
    const ignored = { prompt: 'a', mode: 'textToVideo', note: 'x'.repeat(5000) };
    expect((await post('/api/sora-2/generate', ignored)).status).toBe(200);
    const upload = { videoSource: 'file', videoFile: 'A'.repeat(5000) };
    expect((await post('/api/sora-2/reverse-prompt', upload)).body.errorCode).toBe('INVALID_FORMAT');
  });
});

describe('the limits of a validator', () => {
  const schema = z.object({ list: z.array(z.unknown()).optional(), text: z.string().trim().optional() });
  const validate = createLimitingValidator(LIMIT)({ schema, method: 'POST', url: '/' }) as (data: unknown) => {
    error?: InvalidBody;
  };
  const detailOf = (data: unknown) => validate(data).error?.findPrimaryIssue([]).detail;

  it('apply at any depth, to what the client sent, and to the number of entries', () => {
    const long = 'x'.repeat(LIMIT + 1);
    expect(detailOf({ list: Array(1000).fill(0), text: 'x'.repeat(LIMIT) })).toBeUndefined();
    expect(detailOf({ list: Array(1001).fill(0) })).toBe('Invalid parameter list: expected at most 1000 entries');
    expect(detailOf({ list: [0, { a: [long] }] })).toMatch(
      /^Invalid parameter list\[1\]\.a\[0\]: expected at most 1000 ch/,
    );
    expect(detailOf({ text: `a${' '.repeat(LIMIT)}` })).toMatch(/^Invalid parameter text:/);
    expect(detailOf({ text: '🐕'.repeat(LIMIT / 2) })).toBeUndefined();
    expect(detailOf({ text: '🐕'.repeat(LIMIT / 2 + 1) })).toMatch(/^Invalid parameter text:/);
    expect(detailOf({ list: 1 })).toMatch(/^Invalid parameter list: expected a list/);
  });
});
