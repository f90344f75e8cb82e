// The accounts and tasks that every emulator of a run has.
import { get, post } from './process-runner.mjs';
import { CHECK_STATUS } from './requests.mjs';

export const KEY = 'np_test_bench';
const JSON_TYPE = { 'content-type': 'application/json' };
const headersFor = (key) => ({ authorization: `Bearer ${key}`, ...JSON_TYPE });
export const HEADERS = headersFor(KEY);

/** A rate limit that is never reached, so that the limiter runs for every request, and credits that never run out. */
const UNLIMITED = { credits: 1_000_000_000_000, rateLimit: 1_000_000_000 };
/** Its clock is frozen, so that texts are not paced. */
export const FROZEN_HEADERS = headersFor('np_test_bench_frozen');
/** An account at the default speed. */
export const DEFAULT_KEY = 'np_test_bench_default';
export const DEFAULT_HEADERS = headersFor(DEFAULT_KEY);
/** So slow that a polled task is still running when the run ends. */
export const SLOW_SPEED = 0.001;
export const SEED = {
  accounts: [
    { key: KEY, ...UNLIMITED, speed: SLOW_SPEED },
    { key: 'np_test_bench_frozen', ...UNLIMITED, clock: 'frozen' },
    { key: DEFAULT_KEY, ...UNLIMITED },
  ],
};

/** Price of the video of `SORA_ORDER`. */
const PRICE = 4;

const ask = (url, body) => post(url, HEADERS, JSON.stringify(body));

export const generate = (url, api, order) => ask(`${url}${api}/generate`, order);

/** @throws Error when the task does not exist or is not running */
export async function checkRunning(url, taskId) {
  const { status } = await ask(url + CHECK_STATUS, { taskId });
  if (status !== 'processing') throw new Error(`task ${taskId} is ${status} instead of processing`);
}

/** Creates a task, completes it over the control plane, and returns the response to a poll. */
export async function complete(url, api, order) {
  const { taskId, generationId } = await generate(url, api, order);
  await ask(`${url}/__admin/accounts/${KEY}/tasks/${taskId}/complete`, {});
  const polled = await ask(`${url}${api}/check-status`, generationId ? { generationId } : { taskId });
  if (polled.status !== 'completed') throw new Error(`a task of ${api} is ${polled.status} instead of completed`);
  return polled;
}

/** Number of videos that the account has paid for, to compare with the number of successful generate requests. */
export async function countPaidVideos(url, key = KEY) {
  const { credits } = await get(`${url}/__admin/accounts/${key}`);
  return (UNLIMITED.credits - credits) / PRICE;
}

/** @throws Error when fewer were paid for than succeeded, or more than `cutOff`, the requests that were interrupted */
export function checkPaid(paid, succeeded, cutOff) {
  if (paid < succeeded || paid > succeeded + cutOff) {
    throw new Error(`${succeeded} generate requests succeeded, but ${paid} were paid for`);
  }
}

/** Creates an account whose streams run at `speed`; returns the headers for its requests. */
export async function addAccount(url, key, speed) {
  await post(`${url}/__admin/accounts`, JSON_TYPE, JSON.stringify({ key, speed, ...UNLIMITED }));
  return headersFor(key);
}
