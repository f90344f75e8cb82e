import type { TestEmulator, TestResponse } from './emulator.ts';

/** Path and body of an order for each family with result files, except Veo. */
export const ORDERS = {
  'sora-2': { path: '/api/sora-2', body: { prompt: 'a cat', mode: 'textToVideo' } },
  'sora-2-tvc': { path: '/api/sora-2-tvc', body: { adTheme: 'a watch that never stops' } },
  'seedance-1-5-pro': {
    path: '/api/seedance-1-5-pro',
    body: {
      prompt: 'a cat',
      mode: 'textToVideo',
      aspectRatio: 'portrait',
      resolution: '480p',
      duration: '4',
    },
  },
  'nano-banana-pro': { path: '/api/nano-banana-pro', body: { prompt: 'a cat', mode: 'generate' } },
  'nano-banana-2': { path: '/api/nano-banana-2', body: { prompt: 'a cat', mode: 'generate' } },
} as const;

export const SHOT = { id: 'one', prompt: 'a cat', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' };

/** Orders a task, completes it, and returns the response to a poll. */
export async function completeTask(
  emulator: TestEmulator,
  family: keyof typeof ORDERS | 'veo-3',
  extraFields: object = {},
  key = 'np_test_unlimited',
  // biome-ignore lint/suspicious/noExplicitAny: responses have many shapes
): Promise<any> {
  if (family === 'veo-3') {
    const { aspectRatio = '16:9', ...rest } = extraFields as { aspectRatio?: string };
    const { shots } = (await emulator.post('/api/veo-3/generate', { shots: [{ ...SHOT, aspectRatio }], ...rest }, key))
      .body;
    finishTasks(emulator, key);
    const taskIds = [{ shotId: 'one', taskId: shots[0].taskId }];
    return (await emulator.post('/api/veo-3/check-status', { taskIds }, key)).body.shots[0];
  }
  const { path, body } = ORDERS[family];
  const { taskId, generationId } = (await emulator.post(`${path}/generate`, { ...body, ...extraFields }, key)).body;
  finishTasks(emulator, key);
  return {
    taskId,
    ...(await emulator.post(`${path}/check-status`, generationId ? { generationId } : { taskId }, key)).body,
  };
}

/** Advances the account's clock far enough for all its tasks to end. */
function finishTasks({ core, account }: TestEmulator, key: string): void {
  core.timeline.advance(account(key).id, 3_600_000);
}

/** Fetches the file at a URL of this emulator. */
export async function fetchFile(
  { app }: TestEmulator,
  url: string,
  headers: Record<string, string> = {},
  method: 'GET' | 'HEAD' = 'GET',
): Promise<Pick<TestResponse, 'status' | 'headers'> & { bytes: Buffer }> {
  const { pathname, search } = new URL(url);
  const response = await app.inject({ method, url: pathname + search, headers });
  return { status: response.statusCode, headers: response.headers, bytes: response.rawPayload };
}
