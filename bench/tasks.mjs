// The account that every emulator of a run has, and its tasks.
import { post } from './processes.mjs';

const KEY = 'np_test_bench';
export const HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
/** A limit that is never reached, so that the limiter does its work for every request; credits that never run out. */
export const SEED = { accounts: [{ key: KEY, credits: 1_000_000_000_000, rateLimit: 1_000_000_000 }] };

export const SORA = '/api/sora-2';
export const SORA_ORDER = { prompt: 'A cat plays the piano in a jazz club', mode: 'textToVideo' };

const ask = (url, body) => post(url, HEADERS, JSON.stringify(body));

export const generate = (url, api, order) => ask(`${url}${api}/generate`, order);

/** Orders a task, completes it ahead of its time, and answers what a poll of it says. */
export async function complete(url, api, order) {
  const { taskId, generationId } = await generate(url, api, order);
  await ask(`${url}/__admin/accounts/${KEY}/tasks/${taskId}/complete`, {});
  const told = await ask(`${url}${api}/check-status`, generationId ? { generationId } : { taskId });
  if (told.status !== 'completed') throw new Error(`a task of ${api} is ${told.status} instead of completed`);
  return told;
}
