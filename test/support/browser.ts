import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from '@playwright/test';

/** Path of Chromium or Chrome, from the environment variable CHROMIUM or else from PATH; undefined if not installed. */
export const CHROMIUM: string | undefined = [
  process.env.CHROMIUM,
  ...['chromium', 'chromium-browser', 'google-chrome'].map(findProgram),
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

/** Launches a headless browser without background traffic to other hosts. */
export const openBrowser = (extraArgs: string[] = []): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update'],
      '--autoplay-policy=no-user-gesture-required',
      ...extraArgs,
    ],
  });
