import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PRISM = join(import.meta.dirname, '../node_modules/@stoplight/prism-cli/dist/index.js');

/** A violation of the document that Prism reports. */
export interface Violation {
  /** Begins with `request` or `response`. */
  location: string[];
  message: string;
}

/** Starts Prism on a free port, in a process that the caller must stop. */
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

/** Parses the violations in the header that Prism adds to a response. */
export function violationsIn(headers: Headers): Violation[] {
  const text = headers.get('sl-violations') ?? '[]';
  // Prism truncates a long list, which then is not JSON.
  return text.startsWith('[') ? JSON.parse(text) : [{ location: ['response'], message: text }];
}
