import { vi } from 'vitest';

/** Vitest gives up after a second, which is too short on a busy machine. */
const TIMEOUT_MS = 20_000;

type Options = Parameters<typeof vi.waitFor>[1];

const withTimeout = (options: Options): Options =>
  typeof options === 'number' ? options : { timeout: TIMEOUT_MS, ...options };

const { waitFor, waitUntil } = vi;
vi.waitFor = (callback, options) => waitFor(callback, withTimeout(options));
vi.waitUntil = (callback, options) => waitUntil(callback, withTimeout(options));
