import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from '@playwright/test';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { EmulatorOptions } from '../../src/server/emulator.ts';
import { openBrowser } from './browser.ts';
import { closeAtOnce, createTestEmulator, openTestEmulator, type TestEmulator } from './emulator.ts';
import { accountPath } from './nginx-cluster.ts';
import { createTestClock } from './test-clock.ts';

// Globals of the page, for functions that run there.
// biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without DOM types
declare const document: any;
declare const location: { pathname: string; hash: string };
declare const history: { replaceState(state: null, unused: string, url: string): void };
declare const addEventListener: (type: string, listener: () => void, options: { once: true }) => void;
declare const getComputedStyle: (element: PageElement) => { overflowX: string };

/** Generous, so that tests do not fail on a busy machine. */
const POLL_TIMEOUT_MS = 15_000;

const DEFAULT_VIEWPORT = { width: 1280, height: 720 };

/** Polls `read` until the assertion holds. */
export const eventually = <Value>(read: () => Value | Promise<Value>) =>
  expect.poll(read, { timeout: POLL_TIMEOUT_MS, interval: 50 });

/** Runs a shell script without blocking the emulator in this process. Returns its standard output. */
export async function runInShell(shell: 'sh' | 'bash', script: string, cwd?: string): Promise<string> {
  const { stdout } = await promisify(execFile)(shell, ['-c', script], { cwd, encoding: 'utf8' });
  return stdout;
}

/** Starts an emulator on a free port. Time stands still unless the test advances the clock. */
export async function startListeningEmulator(
  flags: string[] = [],
  clock = createTestClock(),
  options: Pick<EmulatorOptions, 'filesToOpen'> = {},
) {
  return listen(await createTestEmulator(['--port', '0', ...flags], clock, undefined, options));
}

async function listen(emulator: TestEmulator) {
  const origin = await emulator.listen();
  const { post, get, send } = emulator;
  return {
    ...emulator,
    origin,
    /** Sends an API request that must succeed. Returns the response body. */
    async postOk(path: string, body: object, key?: string) {
      const response = await post(path, body, key);
      expect(response.status, response.text).toBe(200);
      return response.body;
    },
    /** Reads an account, or a resource below it, over the control plane. */
    read: async (key: string, rest = '') => (await get(accountPath(key) + rest)).body,
    /** Sends a control-plane request for an account that must succeed. Returns the response body. */
    async callAdmin(method: string, key: string, rest: string, body?: object) {
      const response = await send(method, accountPath(key) + rest, { key: null, body });
      expect(response.status, response.text).toBeLessThan(300);
      return response.body;
    },
    /** Submits a video as a client. Returns the task id. */
    async order(key: string, prompt = 'A golden retriever on a beach'): Promise<string> {
      const response = await post('/api/sora-2/generate', { prompt, mode: 'textToVideo' }, key);
      expect(response.status, response.text).toBe(200);
      return response.body.taskId;
    },
  };
}

export type ListeningEmulator = Awaited<ReturnType<typeof startListeningEmulator>>;

interface PageOptions extends BrowserContextOptions {
  /** Patterns of messages in the browser's console, with the URL that they concern, that do not fail the test. */
  expected?: RegExp[];
  /** Whether the test advances the page's timers with `page.clock`, besides the time that passes. */
  isClockControlled?: boolean;
}

/** The message that browsers log for an error response with this status. */
export const statusError = (status: number): RegExp => new RegExp(`the server responded with a status of ${status} `);

/** The list of accounts may read the verdict of an account in the moment in which the account is removed. */
const READ_AFTER_REMOVAL = /status of 404 .*\/__admin\/accounts\/[^/]+\/verdict$/;

interface SharedContext {
  context: BrowserContext;
  /** Stays open, because its process renders all other pages: to start one for each page would double the CPU time. */
  keptPage: Page;
}

/** The contexts of this worker for all pages that need no context of their own. */
const shared: { real?: SharedContext; controlled?: SharedContext } = {};

async function openSharedContext(browser: Browser, clock: 'real' | 'controlled'): Promise<BrowserContext> {
  if (shared[clock]?.context.browser() !== browser) {
    const context = await createContext(browser);
    if (clock === 'controlled') await context.clock.install();
    shared[clock] = { context, keptPage: await context.newPage() };
  }
  return shared[clock]!.context;
}

async function createContext(browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'], ...options });
  context.setDefaultTimeout(POLL_TIMEOUT_MS);
  await context.addInitScript(watchForHits);
  return context;
}

/** Errors that a page may log, and its requests so far. A page that several tests use gets a new one for each. */
interface Watch {
  origin: string;
  expected: RegExp[];
  requested: string[];
}

/**
 * Opens pages of the console, and closes them after each test. A test fails if a page logs an unexpected error or
 * warning, contacts another host, opens a dialog, or runs code that a client sent (which sets `hit`).
 */
export function useConsole() {
  let browser: Browser;
  let accountCount = 0;
  /** The emulator of `createAccount`, and the page that shows its accounts. */
  let own: ListeningEmulator | undefined;
  let ownPage: { page: Page; watch: Watch; isInUse: boolean } | undefined;
  const unexpectedMessages: string[] = [];
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterEach(async () => {
    const kept = [shared.real?.keptPage, shared.controlled?.keptPage, ownPage?.page];
    for (const context of browser.contexts()) {
      if (context !== shared.real?.context && context !== shared.controlled?.context) await context.close();
      else for (const page of context.pages()) if (!kept.includes(page)) await page.close();
    }
    if (ownPage) ownPage.isInUse = false;
    expect(unexpectedMessages.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await ownPage?.page.close();
    if (own) await closeAtOnce(own);
  });

  /**
   * Creates an account with a frozen clock on an emulator that all tests of the suite share. `openPage` shows its
   * accounts in one page, because loading takes longer than most tests. Returns the key, and the emulator.
   */
  async function createAccount(options: object = {}) {
    own ??= await listen(await openTestEmulator(['--port', '0']));
    accountCount += 1;
    const key = `np_own_${accountCount}`;
    await own.post('/__admin/accounts', { key, clock: 'frozen', ...options }, null);
    return { ...own, key };
  }

  function watchPage(page: Page, watch: Watch): void {
    const recordMessage = (message: string) => {
      if (![...watch.expected, READ_AFTER_REMOVAL].some((one) => one.test(message))) unexpectedMessages.push(message);
    };
    page.on('popup', (popup) => watchPage(popup, watch));
    page.on('dialog', (dialog) => {
      recordMessage(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => recordMessage(`error: ${error.message}`));
    page.on('console', (line) => {
      if (['error', 'warning'].includes(line.type()))
        recordMessage(`${line.type()}: ${line.text()} ${line.location().url}`);
    });
    page.on('request', (request) => {
      const url = request.url();
      watch.requested.push(`${request.method()} ${url}`);
      if (!url.startsWith(`${watch.origin}/`) && !/^(?:blob|data):/.test(url)) recordMessage(`foreign request: ${url}`);
    });
  }

  /** Opens the console of an emulator at a hash. */
  async function openPage(
    origin: string,
    hash = '#/',
    { expected = [], isClockControlled = false, viewport, ...options }: PageOptions = {},
  ) {
    const watch: Watch = { origin, expected, requested: [] };
    const isShared = Object.keys(options).length === 0;
    const isOwn = origin === own?.origin && isShared && !isClockControlled && !ownPage?.isInUse;
    if (isOwn && ownPage) {
      const { page } = ownPage;
      Object.assign(ownPage.watch, watch);
      ownPage.isInUse = true;
      await page.setViewportSize(viewport ?? DEFAULT_VIEWPORT);
      await page.unrouteAll();
      if (await page.evaluate(showHash, hash)) await page.reload();
      return { ...createPageHelpers(page), page, requested: watch.requested };
    }
    const clock = isClockControlled ? 'controlled' : 'real';
    const context = await (isShared ? openSharedContext(browser, clock) : createContext(browser, options));
    const page = await context.newPage();
    watchPage(page, watch);
    if (isOwn) ownPage = { page, watch, isInUse: true };
    if (viewport) await page.setViewportSize(viewport);
    await page.goto(`${origin}/console${hash}`);
    return { ...createPageHelpers(page), page, requested: watch.requested };
  }

  return { openPage, createAccount, browser: () => browser };
}

/** Runs in the page: follows a link. Returns whether to reload the page, because it still shows an earlier toast. */
function showHash(hash: string): Promise<boolean> | boolean {
  if (document.querySelector('[role=status]').textContent !== '') {
    history.replaceState(null, '', hash);
    return true;
  }
  return new Promise((resolve) => {
    addEventListener('hashchange', () => resolve(false), { once: true });
    location.hash = hash;
  });
}

/** Runs in the page: logs an error when client-supplied code runs or something violates the page's policy. */
function watchForHits() {
  Object.defineProperty(globalThis, 'hit', {
    configurable: true,
    set: (value) => console.error(`client-supplied code ran: ${value}`),
  });
  // Other pages may violate their policy.
  if (!location.pathname.endsWith('/console')) return;
  document.addEventListener('securitypolicyviolation', (event: { violatedDirective: string }) =>
    console.error(`policy violation: ${event.violatedDirective}`),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without DOM types
export type PageElement = any;

export type OpenedPage = Awaited<ReturnType<ReturnType<typeof useConsole>['openPage']>>;

/** Locators and actions that find elements by role and accessible name. */
function createPageHelpers(page: Page) {
  const button = (name: string | RegExp, within: Page | Locator = page) =>
    within.getByRole('button', { name, exact: true });
  /** Waits until the toast shows this text. */
  const expectToast = async (text: string | RegExp) => {
    const toast = eventually(() => page.getByRole('status').textContent());
    await (typeof text === 'string' ? toast.toBe(text) : toast.toMatch(text));
  };
  return {
    button,
    expectToast,
    press: (name: string | RegExp) => button(name).click(),
    /** Clicks a button for an irreversible action and confirms. */
    async pressAndConfirm(name: string, within: Page | Locator = page) {
      await button(name, within).click();
      await button(`Really ${name.charAt(0).toLowerCase()}${name.slice(1)}?`, within).click();
    },
    form: (name: string | RegExp) => page.getByRole('form', { name }),
    /** The rendered rows of the page's list; the options of selects do not count. */
    rows: page.getByRole('listbox').getByRole('option'),
    row: (name: string | RegExp) => page.getByRole('listbox').getByRole('option', { name }),
    /** The accessible names of the rendered rows. */
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

/** Delays the responses for matching URLs, after the emulator has sent them, until `release` is called. */
export async function holdResponses(page: Page, url: string) {
  let isHeld = false;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(url, async (route) => {
    const response = await route.fetch();
    isHeld = true;
    await released;
    await route.fulfill({ response });
  });
  return { isHeld: () => isHeld, release };
}

/** Lists the elements that scroll horizontally because their content is too wide. */
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

/** Whether any of these elements is within the viewport. */
export const isInView = (texts: Locator) =>
  texts.evaluateAll((elements: PageElement[]) =>
    elements.some((one) => {
      const { top, bottom, height } = one.getBoundingClientRect();
      return height > 0 && top >= 0 && bottom <= one.ownerDocument.defaultView.innerHeight;
    }),
  );

/** Navigates within the open page, like a click on a link. */
export async function navigate(page: Page, { hash, text }: { hash: string; text: string | RegExp }): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.getByText(text).first().waitFor();
}
