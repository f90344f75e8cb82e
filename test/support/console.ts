import { execFile } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, onTestFinished } from 'vitest';
import { openBrowser } from './browser.ts';
import { testEmulator } from './emulator.ts';
import { accountAt } from './nginx-cluster.ts';
import { createTestClock } from './test-clock.ts';

// What runs in the page knows the names of the page.
// biome-ignore lint/suspicious/noExplicitAny: the compiler does not
declare const document: any;
declare const location: { pathname: string };
declare const getComputedStyle: (element: PageElement) => { overflowX: string };

/** A busy machine is no reason to fail. */
const PATIENCE_MS = 15_000;

/** Asks again and again until it is so. */
export const soon = <Value>(read: () => Value | Promise<Value>) =>
  expect.poll(read, { timeout: PATIENCE_MS, interval: 50 });

/** In a shell, while the emulator in this process goes on. Gives what it wrote. */
export async function runInShell(shell: 'sh' | 'bash', script: string, cwd?: string): Promise<string> {
  const { stdout } = await promisify(execFile)(shell, ['-c', script], { cwd, encoding: 'utf8' });
  return stdout;
}

/** The whole emulator on a port of this machine; its accounts' clocks stand unless a test moves them. */
export async function listeningEmulator(flags: string[] = [], clock = createTestClock()) {
  const emulator = await testEmulator(['--port', '0', ...flags], clock);
  const origin = await emulator.listen();
  const { post, get, send } = emulator;
  return {
    ...emulator,
    origin,
    /** A request of the API that has to succeed. Gives the answer's body. */
    async ask(path: string, body: object, key?: string) {
      const answer = await post(path, body, key);
      expect(answer.status, answer.text).toBe(200);
      return answer.body;
    },
    /** What the control plane says of an account. */
    read: async (key: string, rest = '') => (await get(accountAt(key) + rest)).body,
    /** Something done to an account over the control plane that has to succeed. */
    async act(method: string, key: string, rest: string, body?: object) {
      const answer = await send(method, accountAt(key) + rest, { key: null, body });
      expect(answer.status, answer.text).toBeLessThan(300);
      return answer.body;
    },
    /** A video that a client has ordered. Gives the task's id. */
    async order(key: string, prompt = 'A golden retriever on a beach'): Promise<string> {
      const answer = await post('/api/sora-2/generate', { prompt, mode: 'textToVideo' }, key);
      expect(answer.status, answer.text).toBe(200);
      return answer.body.taskId;
    },
  };
}

export type ListeningEmulator = Awaited<ReturnType<typeof listeningEmulator>>;

interface Opened {
  context: BrowserContext;
  complaints: string[];
}

interface PageOptions extends BrowserContextOptions {
  /** What the browser may complain about: lines of its console, with the address that they are about. */
  expected?: RegExp[];
}

/** That an action is refused stands in the console of every browser. */
export const refused = (status: number): RegExp =>
  new RegExp(`the server responded with a status of ${status} `);

/**
 * A browser for the tests of a file, and pages of it that are closed after each test. A test fails where its pages complained, asked
 * anybody but the emulator, opened a dialog, or ran what a client has sent (which sets `hit`).
 */
export function useConsole() {
  let browser: Browser;
  const open = new Set<Opened>();
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const { context } of open) await context.close();
    const complaints = [...open].flatMap((one) => one.complaints);
    open.clear();
    expect(complaints).toEqual([]);
  });

  /** The console of an emulator, where the hash says. */
  async function openPage(origin: string, hash = '#/', { expected = [], ...options }: PageOptions = {}) {
    const context = await browser.newContext({
      permissions: ['clipboard-read', 'clipboard-write'],
      ...options,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    const complaints: string[] = [];
    const complain = (told: string) => {
      if (!expected.some((one) => one.test(told))) complaints.push(told);
    };
    open.add({ context, complaints });
    const asked: string[] = [];
    await context.addInitScript(watchForHits);
    context.on('page', (one) => {
      one.on('dialog', (dialog) => {
        complain(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      one.on('pageerror', (error) => complain(`error: ${error.message}`));
      one.on('console', (line) => {
        if (['error', 'warning'].includes(line.type()))
          complain(`${line.type()}: ${line.text()} ${line.location().url}`);
      });
    });
    context.on('request', (request) => {
      const url = request.url();
      asked.push(`${request.method()} ${url}`);
      if (!url.startsWith(`${origin}/`) && !/^(?:blob|data):/.test(url)) complain(`asked: ${url}`);
    });
    const page = await context.newPage();
    await page.goto(`${origin}/console${hash}`);
    return { ...partsOf(page), page, context, asked, complaints };
  }

  return { openPage, browser: () => browser };
}

/** Runs in the page. */
function watchForHits() {
  Object.defineProperty(globalThis, 'hit', {
    configurable: true,
    set: (what) => console.error(`what a client has sent runs: ${what}`),
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
function partsOf(page: Page) {
  const button = (name: string | RegExp, within: Page | Locator = page) =>
    within.getByRole('button', { name, exact: true });
  /** What was done last, in words. */
  const told = async (text: string | RegExp) => {
    const said = soon(() => page.getByRole('status').textContent());
    await (typeof text === 'string' ? said.toBe(text) : said.toMatch(text));
  };
  return {
    button,
    told,
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
    async said(): Promise<string[]> {
      const lines = (await page.getByRole('listbox').ariaSnapshot()).split('\n');
      return lines
        .flatMap((line) => /^ +- '?option ("(?:[^"\\]|\\.)*")/.exec(line)?.[1] ?? [])
        .map((text) => JSON.parse(text));
    },
    region: (name: string) => page.getByRole('region', { name, exact: true }),
    tab: (name: string) =>
      page.getByRole('navigation', { name: 'Views of this account' }).getByRole('link', { name }),
    live: () => page.getByText('live', { exact: true }).waitFor(),
    copied: () => page.evaluate('navigator.clipboard.readText()') as Promise<string>,
  };
}

export const hrefOf = (key: string, tab = 'tasks', id?: string): string =>
  `#/accounts/${encodeURIComponent(key)}/${tab}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;

/** An address of this machine that leads to one emulator and later to another, as a port does on which one is started again. */
export async function openDoor(to: string) {
  let target: number | undefined = Number(new URL(to).port);
  const sockets = new Set<Socket>();
  let isHeld = false;
  const waiting: (() => void)[] = [];
  const server = createServer((socket) => {
    const inner = target === undefined ? undefined : connect(target, '127.0.0.1');
    const end = () => {
      socket.destroy();
      inner?.destroy();
      sockets.delete(socket);
    };
    sockets.add(socket);
    for (const one of [socket, inner]) one?.on('error', end).on('close', end);
    if (!inner) return end();
    // No word in either direction while it is held.
    const pass = (to: Socket) => (bytes: Buffer) =>
      void (isHeld ? waiting.push(() => to.write(bytes)) : to.write(bytes));
    socket.on('data', pass(inner));
    inner.on('data', pass(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Nobody is there. */
    shut(): void {
      target = undefined;
      for (const socket of sockets) socket.destroy();
    },
    /** Whoever is there says nothing more for now. */
    hold(): void {
      isHeld = true;
    },
    letGo(): void {
      isHeld = false;
      for (const pass of waiting.splice(0)) pass();
    },
    leadTo(url: string): void {
      target = Number(new URL(url).port);
    },
  };
}

/** What is wider than its place, so that one has to scroll sideways for it. */
export const sideways = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .filter((one: PageElement) => {
        const { overflowX } = getComputedStyle(one);
        const scrolls = one === document.documentElement || overflowX === 'auto' || overflowX === 'scroll';
        return scrolls && one.scrollWidth > one.clientWidth;
      })
      .map((one: PageElement) => `${one.scrollWidth} in ${one.clientWidth}: ${one.outerHTML.slice(0, 200)}`),
  );
