import { Buffer } from 'node:buffer';
import { performance as nodePerformance } from 'node:perf_hooks';
import timers from 'node:timers';
import { transferableAbortController } from 'node:util';
import { runInNewContext } from 'node:vm';

/**
 * Node's own versions of globals that tests replace: fake timers and clocks, the browser APIs of happy-dom and jsdom,
 * and the separate classes of jest's contexts. Everything is read once, when this module is loaded, so that what a test
 * replaces later does not matter. Source files import from here instead of using the globals, and scripts/build.mjs
 * injects the exports into the packages that it bundles.
 */

/** @sinonjs/fake-timers, which vitest and jest use, keeps the function that a fake replaces in its `clock`. */
function withoutFake<F extends (...args: never[]) => unknown>(name: string, value: F): F {
  const { clock } = value as { clock?: Record<string, F> };
  return clock?.[`_${name}`] ?? value;
}

const isNative = (value: () => unknown) => /\[native code\]/.test(Function.prototype.toString.call(value));

export const setTimeout = withoutFake('setTimeout', timers.setTimeout);
export const clearTimeout = withoutFake('clearTimeout', timers.clearTimeout);
export const setInterval = withoutFake('setInterval', timers.setInterval);
export const clearInterval = withoutFake('clearInterval', timers.clearInterval);
export const setImmediate = withoutFake('setImmediate', timers.setImmediate);
export const clearImmediate = withoutFake('clearImmediate', timers.clearImmediate);

const nextTick = withoutFake('nextTick', process.nextTick);
const hrtime = withoutFake('hrtime', process.hrtime);

const resolved = Promise.resolve();
/** No module of Node exports `queueMicrotask`. */
export const queueMicrotask = (work: () => void): void => void resolved.then(work);

// A fresh context has a `Date` that nothing has replaced. Creating one takes milliseconds, so this is for the case that
// a fake was installed before the emulator was loaded.
const currentDate: DateConstructor = globalThis.Date;
export const Date: DateConstructor = isNative(currentDate.now) ? currentDate : runInNewContext('Date');
export type Date = globalThis.Date;
/** Read separately: a test may later replace this method of the real `Date`. */
export const now = Date.now;

export const performance = { now: nodePerformance.now.bind(nodePerformance) };

const controller = transferableAbortController();
export const AbortController = controller.constructor as typeof globalThis.AbortController;
export type AbortController = globalThis.AbortController;
export const AbortSignal = controller.signal.constructor as typeof globalThis.AbortSignal;
export type AbortSignal = globalThis.AbortSignal;

// The classes of `Buffer`: jest's contexts have others under the same names.
const Uint8Array = Object.getPrototypeOf(Buffer) as Uint8ArrayConstructor;
const ArrayBuffer = new Uint8Array().buffer.constructor as ArrayBufferConstructor;

export { atob, Blob, btoa, File } from 'node:buffer';
export { webcrypto as crypto } from 'node:crypto';
export { URL, URLSearchParams } from 'node:url';
export { TextDecoder, TextEncoder } from 'node:util';

// Only for bundled packages. Names with a dot replace a property wherever it is used.
export { ArrayBuffer, hrtime as 'process.hrtime', nextTick as 'process.nextTick', now as 'Date.now', Uint8Array };
