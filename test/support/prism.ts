import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PRISM = join(import.meta.dirname, '../../node_modules/@stoplight/prism-cli/dist/index.js');

/** What Prism holds against an exchange. */
export interface Violation {
  /** Begins with `request` or `response`. */
  location: string[];
  message: string;
}

/** Prism as a command, listening on a free port. Whoever starts it stops it. */
export async function startPrism(args: string[]): Promise<{ url: string; stop(): void }> {
  const child = spawn(process.execPath, [PRISM, ...args, '--port', '0'], {
    env: { PATH: process.env.PATH! },
  });
  const stop = () => void child.kill('SIGKILL');
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      output += `${line}\n`;
      const [, url] = /Prism is listening on (http:\S+)/.exec(line) ?? [];
      if (url) resolve(url);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('close', () => reject(new Error(`Prism ended before it was ready: ${output}`)));
  });
  return { url, stop };
}

/** What an answer that came through Prism says in its header. */
export function violationsIn(headers: Headers): Violation[] {
  const told = headers.get('sl-violations') ?? '[]';
  // A long list is cut off, and is no JSON then.
  return told.startsWith('[') ? JSON.parse(told) : [{ location: ['response'], message: told }];
}
