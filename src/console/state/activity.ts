import { computed, signal } from '@preact/signals';
import type { Activity } from '../../client/types.ts';
import { tickMs, wallMs } from '../time.ts';
import { requestJson } from './api.ts';
import { createSingleFlight } from './single-flight.ts';

/** The emulator counts all tasks for each read, which takes a while when there are many. */
const PAUSES = { minPauseMs: 300, pauseFactor: 10 };

/** The latest activity of the clients of all accounts; undefined until loaded. */
export const activity = signal<Activity | undefined>(undefined);
let readAtMs = wallMs();

const singleFlight = createSingleFlight(async () => {
  const loaded = await requestJson<Activity>('GET', '__admin/activity');
  readAtMs = wallMs();
  activity.value = loaded;
}, PAUSES);

export const refreshActivity = singleFlight.request;

/** Whether any client has ever used this emulator; undefined while unknown. */
export const isUsed = computed(() =>
  activity.value === undefined ? undefined : activity.value.requestCount > 0 || activity.value.accounts.length > 0,
);

type ActiveAccount = Activity['accounts'][number];

/** The accounts with tasks or requests by key, the busiest first. */
export const activeAccounts = computed<ReadonlyMap<string, ActiveAccount>>(
  () => new Map(activity.value?.accounts.map((one) => [one.key, one])),
);

/** The time since a timestamp in the emulator's wall time. Updates with each tick. */
export const msSince = (timestamp: string): number =>
  Math.max(0, Date.parse(activity.value?.now ?? timestamp) + Math.max(0, tickMs() - readAtMs) - Date.parse(timestamp));
