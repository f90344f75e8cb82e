import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

const KEY = 'np_summed';
const GENERATE = '/api/sora-2/generate';
const VIDEO = { prompt: 'a dog', mode: 'textToVideo' };
const PATH = `/__admin/accounts/${KEY}`;

async function createSummarizedEmulator() {
  const emulator = await createTestEmulator();
  emulator.createAccount(KEY, { clock: { mode: 'frozen' }, credits: 100 });
  const getSummary = async () => (await emulator.get(`${PATH}/summary`)).text;
  return { ...emulator, getSummary };
}

describe('summary of an account', () => {
  // id: summary-has-no-key
  it('is one page of Markdown without the key', async () => {
    const { send, post, get, getSummary } = await createSummarizedEmulator();
    const rule = { at: 'task', match: { contains: KEY }, effect: { fail: true }, times: 2 };
    await send('POST', `${PATH}/faults`, { key: null, body: rule });
    const { taskId } = (await post(GENERATE, { ...VIDEO, prompt: KEY }, KEY)).body;
    await send('POST', `${PATH}/clock/advance`, { key: null, body: { toNext: true } });
    await post('/api/sora-2/check-status', { taskId }, KEY);
    await post('/api/sora-2/check-status', { taskId }, KEY);
    await post(GENERATE, VIDEO, KEY);
    await post(GENERATE, { mode: 'textToVideo' }, KEY);
    const { status, headers } = await get(`${PATH}/summary`);
    expect([status, headers['content-type']]).toEqual([200, 'text/markdown; charset=utf-8']);
    const { now } = (await get(PATH)).body.clock;
    const start = '2026-01-15T12:00:00.000Z';
    expect(await getSummary()).toBe(`# Account

- Balance: 96 credits, 4 held for unfinished tasks
- Rate limit: 95 of 100 requests left in this hour
- Clock: frozen, ${now}

## Findings about the client: 1

| code | finding | requests |
|---|---|---|
| POLLED_AFTER_END | Task ${taskId} was polled after a response had reported the end. | 3 |

## Tasks: 2

| status | error code | tasks |
|---|---|---|
| failed | GENERATION_FAILED | 1 |
| processing |  | 1 |

## Requests: 5

| id | time | request | status | error code | faults and warnings |
|---|---|---|---|---|---|
| 1 | ${start} | POST ${GENERATE} | 200 |  | fault: 1 |
| 2 | ${now} | POST /api/sora-2/check-status | 200 | GENERATION_FAILED |  |
| 3 | ${now} | POST /api/sora-2/check-status | 200 | GENERATION_FAILED |  |
| 4 | ${now} | POST ${GENERATE} | 200 |  |  |
| 5 | ${now} | POST ${GENERATE} | 400 | PROMPT_REQUIRED |  |

## Fault rules: 1

| id | stage | match | effect | fired |
|---|---|---|---|---|
| 1 | task | {"contains":"\\[key\\]"} | {"fail":true} | 1 of 2 |
`);
  });

  it('has only headings for an unused account', async () => {
    const { getSummary } = await createSummarizedEmulator();
    expect(await getSummary()).toMatch(
      /\n## Findings about the client: 0\n\n## Tasks: 0\n\n## Requests: 0\n\n## Fault rules: 0\n$/,
    );
  });

  it('has the last 20 requests', async () => {
    const { post, getSummary } = await createSummarizedEmulator();
    for (let n = 0; n < 25; n++) await post(GENERATE, {}, KEY);
    const summary = await getSummary();
    expect(summary).toContain('\n## Requests: the last 20 of 25\n');
    expect(summary.match(/^\| \d+ \|.* POST/gm)!.map((row) => row.split(' ')[1])).toEqual(
      Array.from({ length: 20 }, (_, index) => String(index + 6)),
    );
  });

  // id: summary-escapes-markup
  it('escapes what a client sends', async () => {
    const { send, getSummary } = await createSummarizedEmulator();
    await send('POST', '/api/<img src=x>|`a`[b](javascript:1)', { key: KEY });
    await send('POST', GENERATE, { key: KEY, body: { ...VIDEO, 'a\n# b\u202e': 1, ['x'.repeat(500)]: 1 } });
    const rows = (await getSummary()).split('\n').filter((line) => / POST /.test(line));
    expect(rows).toHaveLength(2);
    expect(rows[0]).not.toMatch(/[^\\][<`[]/);
    expect(rows[0]!.match(/(?<!\\)\|/g)).toHaveLength(7);
    expect(rows[1]).toContain('undocumented field a\\\\n# b\\\\u{202e}');
    expect(rows[1]!.length).toBeLessThan(400);
  });
});
