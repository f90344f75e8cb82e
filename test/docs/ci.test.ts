import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readCommand } from '../../src/cli/arguments.ts';
import { hasProgram } from '../support/command.ts';
import { createShell, IS_STOPPED } from '../support/documented-shell.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const page = read('docs/guides/ci.md');

/** Returns the first code block in this language of a section. */
function readBlock(section: string, language: string): string {
  const text = page.slice(page.indexOf(`# ${section}\n`));
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)![1]!;
}

describe.skipIf(!hasProgram('bash', '--version') || !hasProgram('curl', '--version'))('docs/guides/ci.md', () => {
  it('has lines for a shell that run', async () => {
    const { run, port } = await createShell();
    const [started, ...rest] = (await run(`${readBlock('In a shell and in CI', 'sh')}${IS_STOPPED}`)).split('\n');
    expect(JSON.parse(started!)).toMatchObject({ port: Number(port) });
    expect(rest).toEqual(['npm test', 'np_test_default', '{"status":"ready"}', 'stopped', '']);
  });

  it('has lines for GitLab CI that run', async () => {
    const { run } = await createShell();
    const { test } = parse(readBlock('GitLab CI', 'yaml'));
    const output = await run(test.script.join('\n'));
    expect(output).toMatch(/^npm ci\n\{"url".*\}\nnpm test\nnp_test_default\n\{"status":"ready"\}\n$/);
    expect(await run(`${test.after_script.join('\n')}\n${IS_STOPPED}`)).toBe('stopped\n');
  });

  it('has a command for dev containers that runs', async () => {
    const { run } = await createShell();
    const { postStartCommand, containerEnv } = JSON.parse(readBlock('Dev containers', 'json'));
    const { url, firstKey } = JSON.parse(await run(postStartCommand));
    expect(containerEnv.NANOPHOTO_API_KEY).toBe(firstKey);
    expect(new URL(containerEnv.NANOPHOTO_API_BASE_URL).hostname).toBe(new URL(url).hostname);
  });

  it('has an emulator service with the health check of docker/compose.yaml', () => {
    const { emulator, tests } = parse(readBlock('Docker Compose', 'yaml')).services;
    const tried = parse(read('docker/compose.yaml')).services;
    expect(emulator.healthcheck).toEqual(tried.emulator.healthcheck);
    expect(tried.emulator.environment).toMatchObject(emulator.environment);
    expect([tests.environment, tests.depends_on]).toEqual([tried.app.environment, tried.app.depends_on]);
  });

  it('has service containers with valid settings and the token of the tests', () => {
    const github = parse(readBlock('As a service container', 'yaml')).jobs.test;
    const { emulator } = github.services;
    expect(emulator.ports).toEqual([new URL(github.env.NANOPHOTO_API_BASE_URL).port].map((port) => `${port}:${port}`));
    const gitlab = parse(readBlock('As a service', 'yaml')).test;
    expect(new URL(gitlab.variables.NANOPHOTO_API_BASE_URL).hostname).toBe(gitlab.services[0].alias);
    for (const [service, tests] of [
      [emulator.env, github.env],
      [gitlab.variables, gitlab.variables],
    ]) {
      const { config, warnings } = readCommand([], { ...service, NANOPHOTO_EMULATOR_HOST: '0.0.0.0' });
      expect(warnings).toEqual([]);
      expect(config.adminToken).toBe(tests.NANOPHOTO_EMULATOR_ADMIN_TOKEN);
    }
  });

  it('lists the inputs of action.yml with their defaults', () => {
    const { inputs } = parse(read('action.yml'));
    const rows = [...page.matchAll(/^\| `(\w+)` \| (?:`(\w+)`|none) \|/gm)].map(([, name, value = '']) => [
      name,
      value,
    ]);
    expect(rows).toEqual(Object.entries<{ default: string }>(inputs).map(([name, one]) => [name, one.default]));
  });

  it('says of every recipe how far it was run', () => {
    const recipes = page.split(/^##? /m).filter((section) => section.includes('```'));
    expect(recipes).toHaveLength(7);
    for (const recipe of recipes) expect(recipe).toMatch(/^How far (it was|they were) run: /m);
  });
});

describe.skipIf(!hasProgram('bash', '--version') || !hasProgram('curl', '--version'))('action.yml', () => {
  const { steps } = parse(read('action.yml')).runs as { steps: { name: string; run: string }[] };
  const find = (name: string) => steps.find((step) => step.name === name)!.run;

  it('has steps that start the emulator, set variables and outputs for later steps, and stop it', async () => {
    const { run, dir } = await createShell();
    const files = { GITHUB_ENV: join(dir, 'env'), GITHUB_OUTPUT: join(dir, 'output') };
    const inputs = { PORT: '0', ARGS: ' --clock auto  --speed 5' };
    const started = JSON.parse(await run(find('Start the emulator'), { ...files, ...inputs }));
    const { url, port, log } = started;
    expect(readFileSync(files.GITHUB_OUTPUT, 'utf8')).toBe(`url=${url}\nport=${port}\nlog=${log}\n`);
    expect(readFileSync(files.GITHUB_ENV, 'utf8')).toBe(
      `NANOPHOTO_API_BASE_URL=${url}\nNANOPHOTO_API_KEY=np_test_default\nNANOPHOTO_EMULATOR_PORT=${port}\n`,
    );
    const account = await (await fetch(`${url}/__admin/accounts/np_test_default`)).json();
    expect(account).toMatchObject({ speed: 5, clock: { mode: 'auto' } });
    const later = { NANOPHOTO_EMULATOR_PORT: String(port) };
    expect(await run(`${find('Stop the emulator')}\n${IS_STOPPED}`, later)).toBe('stopped\n');
  });

  it('fails for an unknown command', async () => {
    const { run } = await createShell();
    const stdout = '::error::The input command must be start or stop, not "restart".\n';
    await expect(run(find('Check the command'), { COMMAND: 'restart' })).rejects.toMatchObject({ code: 2, stdout });
  });

  it('fails when the emulator cannot start', async () => {
    const { run } = await createShell();
    const failure = run(find('Start the emulator'), { PORT: '0', ARGS: '--speed fast' });
    await expect(failure).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('--speed must be') });
  });
});

describe.skipIf(!hasProgram('bash', '--version') || !hasProgram('curl', '--version'))('workflows', () => {
  const check = (...files: string[]) =>
    promisify(execFile)(process.execPath, ['scripts/check-workflows.mjs', ...files], { cwd: ROOT });

  it('and action.yml have no lint findings, and mistakes are found', async () => {
    const dir = tempDir();
    const [action, workflow] = [join(dir, 'action.yml'), join(dir, 'a.yml')];
    writeFileSync(action, 'name: x\n');
    writeFileSync(workflow, read('.github/workflows/ci.yml').replace('matrix.node', 'matrix.nod'));
    const workflows = readdirSync(join(ROOT, '.github/workflows')).map((name) => `.github/workflows/${name}`);
    const { code, stderr } = await check('action.yml', ...workflows, action, workflow).catch((error) => error);
    expect(code).toBe(1);
    expect([...new Set(stderr.match(/^[^:\n]+(?=: )/gm))]).toEqual([action, workflow]);
  });

  it.each(['ci', 'release'])('%s uses only actions that are pinned by commit, and few permissions', (name) => {
    const text = read(`.github/workflows/${name}.yml`);
    const uses = [...text.matchAll(/uses: (.*)/g)].map(([, action]) => action);
    expect(uses.length).toBeGreaterThan(3);
    for (const action of uses) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    expect(parse(text).permissions).toEqual({ contents: 'read' });
  });

  it.each([
    ['ci', 'others', 'Submit and poll a video', '"status":"completed"'],
    ['release', 'package', 'Run one flow with the tarball in an empty directory', '"taskId":'],
  ])('%s has a flow that runs', async (file, job, name, part) => {
    const { run, port, dir } = await createShell();
    writeFileSync(join(dir, 'nanophoto-emulator-0.1.0.tgz'), '');
    const { steps } = parse(read(`.github/workflows/${file}.yml`)).jobs[job];
    const flow: string = steps.find((step: { name: string }) => step.name === name).run;
    const lines = flow.replaceAll('node dist/main.js', 'nanophoto-emulator').replaceAll('6266', port);
    const output = await run(`${lines}\n${IS_STOPPED}`);
    expect(output).toContain(part);
    expect(output).toMatch(/stopped\n$/);
  });
});
