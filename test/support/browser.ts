import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Where Chromium or Chrome is on this machine; undefined: nowhere. CHROMIUM names another place. */
export const CHROMIUM: string | undefined = [
  process.env.CHROMIUM,
  ...['chromium', 'chromium-browser', 'google-chrome'].map(findProgram),
].find((path) => path && existsSync(path));

function findProgram(program: string): string | undefined {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

/** A browser without a window that speaks to nobody but this machine. */
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
