import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { MAIN } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/guides/recording.md'), 'utf8');
const LINES = [...page.matchAll(/^```sh\n([\s\S]*?)```$/gm)].map(([, lines]) => lines!);
const [SAMPLE] = [...page.matchAll(/^```json\n([\s\S]*?)```$/gm)].map(([, text]) => JSON.parse(text!));
const [, SHOWN] = /^```\n(DIFFERS[\s\S]*?)```$/m.exec(page)!;

it('docs/guides/recording.md has commands with the documented results', async () => {
  const url = await serveEmulator();
  let isOdd = false;
  const service = await startService(async (body, { url: path, method, headers }, response) => {
    const odd = isOdd && body.includes('task_nobodyhasthisone');
    const answer = await fetch(url + path, {
      method: method!,
      headers: { authorization: headers.authorization ?? '', 'content-type': headers['content-type'] ?? '' },
      ...(method === 'POST' && { body }),
    });
    response.writeHead(odd ? 418 : answer.status, {
      'content-type': answer.headers.get('content-type')!,
      ...(answer.headers.has('allow') && { allow: answer.headers.get('allow')! }),
    });
    response.end(odd ? '{"errorCode":"TEAPOT"}' : await answer.text());
  });
  const cwd = tempDir();
  const file = (name: string) => JSON.parse(readFileSync(join(cwd, name), 'utf8'));
  async function paste(line: string): Promise<string> {
    const command = `nanophoto-emulator() { ${process.execPath} ${MAIN} "$@"; }`;
    const pasted = line.replace('https://nanophoto.ai', service).replace('http://127.0.0.1:6266', url);
    const script = `${command}\n${pasted.trimEnd()} || test $? = 1`;
    const env = { PATH: process.env.PATH!, NANOPHOTO_API_KEY: 'np_test_unlimited' };
    return (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd, env })).stdout;
  }
  expect(LINES).toHaveLength(5);
  const [record, drift, print, set, seed] = LINES;

  expect(await paste(record!)).toMatch(/all +12 +0 +\d/);
  const recorded = file('recorded/sora-2/check-status/unknown-task.json');
  expect(recorded).toEqual({
    ...SAMPLE,
    source: `Recorded from ${service}`,
    recordedAt: recorded.recordedAt,
  });
  expect(Object.keys(recorded)).toEqual(Object.keys(SAMPLE));
  expect(await paste(drift!)).toMatch(/\n12 agree, 0 differ\n$/);

  isOdd = true;
  await paste(record!);
  const differing = (await paste(drift!))
    .replace(/20\d\d-[\dT:.-]+Z/, SAMPLE.recordedAt)
    .replace(service, 'https://nanophoto.ai');
  expect(differing.slice(differing.indexOf('DIFFERS'))).toBe(SHOWN);

  expect(JSON.parse(await paste(print!))).toMatchObject([{ effect: { answer: { status: 418 } } }]);
  expect(await paste(set!)).toMatch(/^Added \d+ rules for np_test_default at http/);
  const rules = await (await fetch(`${url}/__admin/accounts/np_test_default/faults`)).json();
  expect(await paste(seed!)).toMatch(/^Added \d+ rules for np_test_odd to accounts\.json\.\n$/);
  const { accounts } = file('accounts.json');
  const { faults } = accounts.find(({ key }: { key: string }) => key === 'np_test_odd');
  expect(faults).toHaveLength((rules as { faults: unknown[] }).faults.length);
});
