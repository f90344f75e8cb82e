import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

const KEY = 'np_filed';
const PATH = `/__admin/accounts/${KEY}`;
const GENERATE = '/api/nano-banana-2/generate';
const SECRETS = ['REFPASS', 'REFTOK', 'URLPASS', 'SIGSECRET', 'AZSIG', 'COOKIE-VALUE', 'BASIC-PASS', 'HEADER-PASSWORD'];
const IMAGE_URL = 'https://user:URLPASS@cdn.test/a.png?X-Amz-Signature=SIGSECRET&sig=AZSIG';
const HEADERS = {
  referer: 'https://u:REFPASS@x.test/?token=REFTOK',
  cookie: 'session=COOKIE-VALUE',
  'proxy-authorization': `Basic ${Buffer.from('me:BASIC-PASS').toString('base64')}`,
  'x-password': 'HEADER-PASSWORD',
};
/** Repeats credentials of headers, some of them only in a later request without these headers. */
const PROMPT = 'a cat with COOKIE-VALUE and BASIC-PASS';

async function createUsedEmulator() {
  const emulator = await createTestEmulator();
  emulator.createAccount(KEY, { credits: 100, rateLimit: null });
  const { send, post, get } = emulator;
  const valid = { prompt: PROMPT, mode: 'edit', inputImageUrls: [IMAGE_URL], extra: IMAGE_URL };
  const accepted = await send('POST', GENERATE, { key: KEY, body: valid, headers: HEADERS });
  expect(accepted.status).toBe(200);
  await send('POST', GENERATE, { key: KEY, body: `{"prompt":"HEADER-PASSWORD ${IMAGE_URL}`, headers: HEADERS });
  await post(`/api/COOKIE-VALUE`, { [`HEADER-PASSWORD ${IMAGE_URL}`]: PROMPT }, KEY);
  await post(GENERATE, { ...valid, [`field ${IMAGE_URL}`]: 'COOKIE-VALUE' }, KEY);
  return { ...emulator, getText: async (path: string) => (await get(PATH + path)).text };
}

const findSecrets = (text: string) => SECRETS.filter((secret) => text.includes(secret));

describe('files with the requests of an account', () => {
  // id: files-have-no-credentials
  it('contain no credentials, unlike the journal and the inputs of tasks, which are as sent', async () => {
    const { getText, get } = await createUsedEmulator();
    const har = await getText('/requests?format=har');
    const { requests, verdict, tasks } = (await get(`${PATH}/export?include=requests,verdict`)).body;
    const files = { har, requests: JSON.stringify(requests), verdict: JSON.stringify(verdict) };
    for (const [name, text] of Object.entries({ ...files, summary: await getText('/summary') })) {
      expect({ name, secrets: findSecrets(text) }).toEqual({ name, secrets: [] });
      expect(text).toMatch(/\[key\\?\]/);
    }
    expect(har).toContain('https://[key]@cdn.test/a.png?[key]');
    expect(tasks).toHaveLength(2);
    expect(tasks[0].input).toMatchObject({ prompt: PROMPT, inputImageUrls: [IMAGE_URL] });

    const { body } = await get(`${PATH}/requests`);
    expect(body.requests[0].request.body).toMatchObject({ prompt: PROMPT, inputImageUrls: [IMAGE_URL] });
    expect(body.requests[0].request.headers.referer).toBe(HEADERS.referer);
    for (const name of ['cookie', 'proxy-authorization', 'x-password', 'authorization']) {
      expect(body.requests[0].request.headers).not.toHaveProperty(name);
    }
  });

  it('contain no part of a credential where the journal has cut a text', async () => {
    const { send, getText } = await createUsedEmulator();
    // Longer than what the journal keeps in addition to what it shows.
    const value = 'CUT-VALUE-'.repeat(300);
    const body = `{"prompt":"${'a '.repeat(8000)}","x":"${value}","y":"${'b '.repeat(8000)}"}`;
    await send('POST', GENERATE, { key: KEY, body, headers: { cookie: `session=${value}` } });
    for (const path of ['/requests?format=har', '/export?include=requests']) {
      const text = await getText(path);
      expect(text).toContain('a a a a a');
      expect(text).not.toContain('CUT-VALUE');
    }
  });

  it.each(['x-auth', 'x-session', 'x-passwd', 'private-key'])('have no header %s, however short', async (name) => {
    const { send, getText } = await createUsedEmulator();
    await send('POST', GENERATE, { key: KEY, body: {}, headers: { [name]: 's3cr3t', 'x-author': 'me' } });
    const har = await getText('/requests?format=har');
    expect(har).not.toContain('s3cr3t');
    expect(har).toContain('x-author');
  });

  it('redact the credentials of a request in earlier and later ones, up to a limit', async () => {
    const { send, post, getText } = await createUsedEmulator();
    for (let n = 0; n < 120; n++) {
      await send('POST', GENERATE, { key: KEY, body: {}, headers: { cookie: `session=value-number-${n}` } });
    }
    await post(GENERATE, { prompt: 'value-number-119, value-number-90 and value-number-5.' }, KEY);
    const { log } = JSON.parse(await getText('/requests?format=har&after=124'));
    expect(log.entries[0].request.postData.text).toContain('[key], [key] and value-number-5.');
  });
});
