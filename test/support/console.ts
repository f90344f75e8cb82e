import { execFile } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, onTestFinished } from 'vitest';
import { openBrowser } from './browser.ts';
import { createTestEmulator } from './emulator.ts';
import { accountPath } from './nginx-cluster.ts';
import { createTestClock } from './test-clock.ts';

// What runs in the page knows the names of the page.
// biome-ignore lint/suspicious/noExplicitAny: the compiler does not
declare const document: any;
declare const location: { pathname: string };
declare const getComputedStyle: (element: PageElement) => { overflowX: string };

/** A busy machine is no reason to fail. */
const POLL_TIMEOUT_MS = 15_000;

/** Asks again and again until it is so. */
export const eventually = <Value>(read: () => Value | Promise<Value>) =>
  expect.poll(read, { timeout: POLL_TIMEOUT_MS, interval: 50 });

/** In a shell, while the emulator in this process goes on. Gives what it wrote. */
export async function runInShell(shell: 'sh' | 'bash', script: string, cwd?: string): Promise<string> {
  const { stdout } = await promisify(execFile)(shell, ['-c', script], { cwd, encoding: 'utf8' });
  return stdout;
}

/** The whole emulator on a port of this machine; its accounts' clocks stand unless a test moves them. */
export async function startListeningEmulator(flags: string[] = [], clock = createTestClock()) {
  const emulator = await createTestEmulator(['--port', '0', ...flags], clock);
  const origin = await emulator.listen();
  const { post, get, send } = emulator;
  return {
    ...emulator,
    origin,
    /** A request of the API that has to succeed. Gives the answer's body. */
    async postOk(path: string, body: object, key?: string) {
      const response = await post(path, body, key);
      expect(response.status, response.text).toBe(200);
      return response.body;
    },
    /** What the control plane says of an account. */
    read: async (key: string, rest = '') => (await get(accountPath(key) + rest)).body,
    /** Something done to an account over the control plane that has to succeed. */
    async callAdmin(method: string, key: string, rest: string, body?: object) {
      const response = await send(method, accountPath(key) + rest, { key: null, body });
      expect(response.status, response.text).toBeLessThan(300);
      return response.body;
    },
    /** A video that a client has ordered. Gives the task's id. */
    async order(key: string, prompt = 'A golden retriever on a beach'): Promise<string> {
      const response = await post('/api/sora-2/generate', { prompt, mode: 'textToVideo' }, key);
      expect(response.status, response.text).toBe(200);
      return response.body.taskId;
    },
  };
}

export type ListeningEmulator = Awaited<ReturnType<typeof startListeningEmulator>>;

interface OpenContext {
  context: BrowserContext;
  unexpectedMessages: string[];
}

interface PageOptions extends BrowserContextOptions {
  /** What the browser may complain about: lines of its console, with the address that they are about. */
  expected?: RegExp[];
}

/** That an action is refused stands in the console of every browser. */
export const statusError = (status: number): RegExp => new RegExp(`the server responded with a status of ${status} `);

/**
 * A browser for the tests of a file, and pages of it that are closed after each test. A test fails where its pages complained, asked
 * anybody but the emulator, opened a dialog, or ran what a client has sent (which sets `hit`).
 */
export function useConsole() {
  let browser: Browser;
  const openContexts = new Set<OpenContext>();
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const { context } of openContexts) await context.close();
    const messages = [...openContexts].flatMap((one) => one.unexpectedMessages);
    openContexts.clear();
    expect(messages).toEqual([]);
  });

  /** The console of an emulator, where the hash says. */
  async function openPage(origin: string, hash = '#/', { expected = [], ...options }: PageOptions = {}) {
    const context = await browser.newContext({
      permissions: ['clipboard-read', 'clipboard-write'],
      ...options,
    });
    context.setDefaultTimeout(POLL_TIMEOUT_MS);
    const unexpectedMessages: string[] = [];
    const recordMessage = (message: string) => {
      if (!expected.some((one) => one.test(message))) unexpectedMessages.push(message);
    };
    openContexts.add({ context, unexpectedMessages });
    const requested: string[] = [];
    await context.addInitScript(watchForHits);
    context.on('page', (one) => {
      one.on('dialog', (dialog) => {
        recordMessage(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      one.on('pageerror', (error) => recordMessage(`error: ${error.message}`));
      one.on('console', (line) => {
        if (['error', 'warning'].includes(line.type()))
          recordMessage(`${line.type()}: ${line.text()} ${line.location().url}`);
      });
    });
    context.on('request', (request) => {
      const url = request.url();
      requested.push(`${request.method()} ${url}`);
      if (!url.startsWith(`${origin}/`) && !/^(?:blob|data):/.test(url)) recordMessage(`asked: ${url}`);
    });
    const page = await context.newPage();
    await page.goto(`${origin}/console${hash}`);
    return { ...createPageHelpers(page), page, context, requested, unexpectedMessages };
  }

  return { openPage, browser: () => browser };
}

/** Runs in the page. */
function watchForHits() {
  Object.defineProperty(globalThis, 'hit', {
    configurable: true,
    set: (value) => console.error(`what a client has sent runs: ${value}`),
  });
  // Others try what they may do.
  if (!location.pathname.endsWith('/console')) return;
  document.addEventListener('securitypolicyviolation', (event: { violatedDirective: string }) =>
    console.error(`not allowed: ${event.violatedDirective}`),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: the compiler knows no pages here
export type PageElement = any;

export type OpenedPage = Awaited<ReturnType<ReturnType<typeof useConsole>['openPage']>>;

/** What tests look at and press, found as a screen reader finds it. */
function createPageHelpers(page: Page) {
  const button = (name: string | RegExp, within: Page | Locator = page) =>
    within.getByRole('button', { name, exact: true });
  /** What was done last, in words. */
  const expectToast = async (text: string | RegExp) => {
    const toast = eventually(() => page.getByRole('status').textContent());
    await (typeof text === 'string' ? toast.toBe(text) : toast.toMatch(text));
  };
  return {
    button,
    expectToast,
    press: (name: string | RegExp) => button(name).click(),
    /** What cannot be taken back has to be pressed twice. */
    async pressTwice(name: string, within: Page | Locator = page) {
      await button(name, within).click();
      await button(`Really ${name.charAt(0).toLowerCase()}${name.slice(1)}?`, within).click();
    },
    form: (name: string | RegExp) => page.getByRole('form', { name }),
    /** Of the one list that is there; what stands in a choice is an option too. */
    rows: page.getByRole('listbox').getByRole('option'),
    row: (name: string | RegExp) => page.getByRole('listbox').getByRole('option', { name }),
    /** What is said of each row that is there. */
    async rowLabels(): Promise<string[]> {
      const lines = (await page.getByRole('listbox').ariaSnapshot()).split('\n');
      return lines
        .flatMap((line) => /^ +- '?option ("(?:[^"\\]|\\.)*")/.exec(line)?.[1] ?? [])
        .map((text) => JSON.parse(text));
    },
    region: (name: string) => page.getByRole('region', { name, exact: true }),
    tab: (name: string) => page.getByRole('navigation', { name: 'Views of this account' }).getByRole('link', { name }),
    waitUntilLive: () => page.getByText('live', { exact: true }).waitFor(),
    readClipboard: () => page.evaluate('navigator.clipboard.readText()') as Promise<string>,
  };
}

export const accountHref = (key: string, tab = 'tasks', id?: string): string =>
  `#/accounts/${encodeURIComponent(key)}/${tab}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;

/** An address of this machine that leads to one emulator and later to another, as a port does on which one is started again. */
export async function openSwitchableProxy(url: string) {
  let target: number | undefined = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  let isPaused = false;
  const queued: (() => void)[] = [];
  const server = createServer((socket) => {
    const inner = target === undefined ? undefined : connect(target, '127.0.0.1');
    const closeBoth = () => {
      socket.destroy();
      inner?.destroy();
      sockets.delete(socket);
    };
    sockets.add(socket);
    for (const one of [socket, inner]) one?.on('error', closeBoth).on('close', closeBoth);
    if (!inner) return closeBoth();
    // No word in either direction while it is held.
    const forward = (to: Socket) => (bytes: Buffer) =>
      void (isPaused ? queued.push(() => to.write(bytes)) : to.write(bytes));
    socket.on('data', forward(inner));
    inner.on('data', forward(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Nobody is there. */
    disconnect(): void {
      target = undefined;
      for (const socket of sockets) socket.destroy();
    },
    /** Whoever is there says nothing more for now. */
    pause(): void {
      isPaused = true;
    },
    resume(): void {
      isPaused = false;
      for (const write of queued.splice(0)) write();
    },
    switchTo(url: string): void {
      target = Number(new URL(url).port);
    },
  };
}

/** What is wider than its place, so that one has to scroll sideways for it. */
export const findHorizontalOverflow = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .filter((one: PageElement) => {
        const { overflowX } = getComputedStyle(one);
        const scrolls = one === document.documentElement || overflowX === 'auto' || overflowX === 'scroll';
        return scrolls && one.scrollWidth > one.clientWidth;
      })
      .map((one: PageElement) => `${one.scrollWidth} in ${one.clientWidth}: ${one.outerHTML.slice(0, 200)}`),
  );
