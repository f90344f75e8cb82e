import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readVerifyOptions } from '../../src/cli/verify-options.ts';
import { startEmulator } from '../../src/index.ts';
import { hasProgram } from '../support/command.ts';
import { startPrism } from '../support/prism.ts';
import { startRelay } from '../support/relay.ts';
import { tempDir } from '../support/temp-dir.ts';
import { loadContract } from '../support/verify.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/reference/contract.md'), 'utf8');
const document = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8'));

/** The shell blocks of the page that start with a command. */
const linesOf = (command: string) =>
  [...page.matchAll(/^```sh\n([\s\S]*?)```/gm)].map(([, lines]) => lines!).filter((one) => one.startsWith(command));

async function paste(lines: string) {
  const cwd = tempDir();
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', lines], { cwd });
  return { stdout, file: (name: string) => JSON.parse(readFileSync(join(cwd, name), 'utf8')) };
}

/** Starts an emulator behind Prism with the command of the page. */
async function behindPrism(...flags: string[]) {
  const emulator = await startEmulator();
  const relay = await startRelay(emulator.url);
  const [line] = linesOf('npx @stoplight/prism-cli');
  const [command, file, upstream] = line!.replace(' --port 6267', '').trim().split(' ').slice(2);
  expect(upstream).toBe('http://127.0.0.1:6266');
  const args = [command!, file!.replace(upstream!, emulator.url), relay.url];
  const prism = await startPrism([...args, ...flags]);
  onTestFinished(async () => {
    prism.stop();
    relay.close();
    await emulator.close();
  });
  return { relay, url: prism.url };
}

describe('docs/reference/contract.md', () => {
  it('explains every extension of the document', () => {
    const used = new Set(JSON.stringify(document).match(/"x-(?!ratelimit|request-id)[a-z-]+"(?=:)/g));
    const explained = [...page.matchAll(/^\| (`x-.*?) \|/gm)].flatMap(([, cell]) => cell!.match(/x-[a-z-]+/g));
    expect(explained.sort()).toEqual([...used].map((one) => JSON.parse(one)).sort());
  });

  it.skipIf(!hasProgram('curl', '--version'))('has a command that downloads the document', async () => {
    const emulator = await startEmulator();
    onTestFinished(() => emulator.close());
    const [line] = linesOf('curl');
    const { file } = await paste(line!.replace('http://127.0.0.1:6266', emulator.url));
    expect(file('nanophoto.json').paths).toEqual(document.paths);
  });

  it.skipIf(!hasProgram('curl', '--version'))('has commands with which Prism reports a violation', async () => {
    const { url } = await behindPrism();
    const [, line] = linesOf('curl');
    const { stdout, file } = await paste(line!.replace('http://127.0.0.1:6267', url));
    expect(stdout).toMatch(/^sl-violations: \[\{"location":\["request","body","mode"\],/);
    expect(file('answer.json')).toMatchObject({ errorCode: 'INVALID_INPUT' });
  });

  it('states the statuses of Prism with --errors', async () => {
    const { url, relay } = await behindPrism('--errors');
    const statusOf = async (body: object) => {
      const answer = await fetch(`${url}/api/sora-2/generate`, {
        method: 'POST',
        headers: { authorization: 'Bearer np_test_default', 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      await answer.text();
      return answer.status;
    };
    const right = { prompt: 'a dog', mode: 'textToVideo' };
    expect(await statusOf(right)).toBe(200);
    expect(await statusOf({ ...right, mode: 'video' })).toBe(422);
    relay.transform = (answer) => ({ ...answer, text: '{}' });
    expect(await statusOf(right)).toBe(500);
  });
});

describe('docs/reference/contract.md › verify', () => {
  it('uses flags that verify accepts', () => {
    const lines = linesOf('nanophoto-emulator verify').join('').trim().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) {
      const words = line.replace('"$NANOPHOTO_API_KEY"', 'key').split(' ').slice(2);
      expect(readVerifyOptions(words, {})?.url).toMatch(/^http/);
    }
  });

  it('shows existing cases and their approximate number', () => {
    const { cases } = loadContract();
    const shown = [...page.matchAll(/^ {2}(?:holds|DIFFERS|not checked) +(\S+): (.*)$/gm)];
    expect(shown).toHaveLength(3);
    for (const [line, id, name] of shown) {
      const known = cases.find((one) => one.id === id);
      expect(known, line).toBeDefined();
      if (!line.includes('not checked')) expect(name).toBe(known!.name);
    }
    const about = Number(/with about (\d+) cases/.exec(page)![1]);
    expect(Math.abs(cases.length - about)).toBeLessThan(10);
  });
});
