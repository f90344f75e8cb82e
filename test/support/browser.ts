import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from '@playwright/test';
import { reportMissing } from './programs.ts';

/**
 * Path of Chromium or Chrome, from the environment variable CHROMIUM or else from PATH; undefined if not installed. The
 * headless shell, a package of its own in Debian, uses half of the CPU time of the whole browser.
 */
export const CHROMIUM: string | undefined = [
  process.env.CHROMIUM,
  ...['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'].map(findProgram),
].find((path) => path && existsSync(path));

/** Path of Firefox, from the environment variable FIREFOX or else from PATH; undefined if not installed. */
export const FIREFOX: string | undefined = [process.env.FIREFOX, ...['firefox-esr', 'firefox'].map(findProgram)].find(
  (path) => path && existsSync(path),
);

function findProgram(program: string): string | undefined {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

if (!CHROMIUM) reportMissing('chromium');

let launched: Promise<Browser> | undefined;

/** The headless browser of this worker, which all of its test files share. Close what you open in it. */
export async function openBrowser(): Promise<Browser> {
  const browser = await launched;
  if (!browser?.isConnected()) launched = launch();
  return launched!;
}

/** Without background traffic to other hosts. */
const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update'],
      '--autoplay-policy=no-user-gesture-required',
      // Otherwise it starts processes in advance for each page, which takes a quarter of the time.
      ...['--renderer-process-limit=1', '--process-per-site', '--disable-site-isolation-trials'],
      // Host names that an attacker can resolve to this machine.
      '--host-resolver-rules=MAP *.evil.test 127.0.0.1',
    ],
  });
