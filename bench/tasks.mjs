// The accounts that every emulator of a run has, and their tasks.

import { get, post } from './process-runner.mjs';
import { CHECK_STATUS } from './requests.mjs';

export const KEY = 'np_test_bench';
const JSON_TYPE = { 'content-type': 'application/json' };
const headersOf = (key) => ({ authorization: `Bearer ${key}`, ...JSON_TYPE });
export const HEADERS = headersOf(KEY);

/** A limit that is never reached, so that the limiter does its work for every request; credits that never run out. */
const ENDLESS = { credits: 1_000_000_000_000, rateLimit: 1_000_000_000 };
/** Its time stands still, so what is answered in the request is answered at once. */
export const STILL_HEADERS = headersOf('np_test_still');
/** As an emulator at its default settings has it. */
export const USUAL_KEY = 'np_test_usual';
export const USUAL_HEADERS = headersOf(USUAL_KEY);
/** So slow that a polled task is still running when the run ends. */
export const SLOW = 0.001;
export const SEED = {
  accounts: [
    { key: KEY, ...ENDLESS, speed: SLOW },
    { key: 'np_test_still', ...ENDLESS, clock: 'frozen' },
    { key: USUAL_KEY, ...ENDLESS },
  ],
};

/** Of a video as ordered here. */
const PRICE = 4;

const ask = (url, body) => post(url, HEADERS, JSON.stringify(body));

export const generate = (url, api, order) => ask(`${url}${api}/generate`, order);

/** @throws Error when there is no such task, or it does not run */
export async function checkRunning(url, taskId) {
  const { status } = await ask(url + CHECK_STATUS, { taskId });
  if (status !== 'processing') throw new Error(`the task ${taskId} is ${status} instead of running`);
}

/** Orders a task, completes it ahead of its time, and answers what a poll of it says. */
export async function complete(url, api, order) {
  const { taskId, generationId } = await generate(url, api, order);
  await ask(`${url}/__admin/accounts/${KEY}/tasks/${taskId}/complete`, {});
  const told = await ask(`${url}${api}/check-status`, generationId ? { generationId } : { taskId });
  if (told.status !== 'completed') throw new Error(`a task of ${api} is ${told.status} instead of completed`);
  return told;
}

/** How many videos the account has paid for: as many as generates were answered, or the answers were worth nothing. */
export async function paidVideos(url, key = KEY) {
  const { credits } = await get(`${url}/__admin/accounts/${key}`);
  return (ENDLESS.credits - credits) / PRICE;
}

/** @throws Error when fewer were paid for than answered, or more than the `cutOff` that nobody waited for */
export function checkPaid(paid, answered, cutOff) {
  if (paid < answered || paid > answered + cutOff) {
    throw new Error(`${answered} generates were answered, but ${paid} were paid for`);
  }
}

/** Makes an account whose texts are written at `speed`; answers what its requests need. */
export async function addAccount(url, key, speed) {
  await post(`${url}/__admin/accounts`, JSON_TYPE, JSON.stringify({ key, speed, ...ENDLESS }));
  return headersOf(key);
}
