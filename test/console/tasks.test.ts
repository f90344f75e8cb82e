import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/client/types.ts';
import { systemClock } from '../../src/core/time/clock.ts';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  type OpenedPage,
  type PageElement,
  startListeningEmulator,
  statusError,
  useConsole,
} from '../support/console.ts';
import { ORDERS } from '../support/results.ts';
import type { TestClock } from '../support/test-clock.ts';

const TVC = ORDERS['sora-2-tvc'];

/** Measures the bars from top to bottom, in percent: length, progress, and where the steps after the first begin. */
const measureBars = ({ page }: Pick<OpenedPage, 'page'>, within = '[role=listbox]') =>
  page.locator(`${within} .bar`).evaluateAll((bars) =>
    bars.map((bar: PageElement) => {
      const share = (part: { width: number }, whole: { width: number }) => Math.round((part.width / whole.width) * 100);
      const bounds = bar.getBoundingClientRect();
      // Excludes the border.
      const inner = { width: bar.clientWidth };
      return {
        long: share(bounds, bar.parentElement.getBoundingClientRect()),
        done: share({ width: bar.querySelector('.bar-done').offsetWidth }, inner),
        steps: [...bar.querySelectorAll('.bar-step')].map((step) => share({ width: step.offsetLeft }, inner)),
      };
    }),
  );

describe.skipIf(!CHROMIUM)('console tasks', () => {
  const { openPage, createAccount } = useConsole();

  it('shows tasks newest first, with state and price, as bars with steps on a common scale', async () => {
    const { key, origin, postOk, order, read } = await createAccount();
    await order(key);
    await postOk(`${TVC.path}/generate`, TVC.body, key);
    await postOk('/api/sora-2/generate-prompt', { topic: 'a cat', locale: 'en' }, key);
    const [video, commercial] = (await read(key, '/tasks')).tasks as Task[];
    const opened = await openPage(origin, accountHref(key));
    await eventually(opened.rowLabels).toEqual([
      'a cat prompt-generator completed in 0 ms 2 cr',
      expect.stringMatching(/^a watch that never stops sora-2-tvc storyboard_script · 0 % 8 cr$/),
      expect.stringMatching(/^A golden retriever on a beach sora-2 generating · 0 % 4 cr$/),
    ]);
    const [, second, third] = await measureBars(opened);
    expect(second).toEqual({ long: 100, done: 0, steps: [10, 30] });
    const share = (video!.plan.endMs / commercial!.plan.endMs) * 100;
    expect(third).toMatchObject({ done: 0, steps: [] });
    expect(Math.abs(third!.long - share)).toBeLessThan(2);
  });

  it('advances a frozen clock to the next step, by a minute, and to the end', async () => {
    const { key, origin, postOk, order, read } = await createAccount();
    const id = (await postOk(`${TVC.path}/generate`, TVC.body, key)).taskId;
    await order(key, '@emulator(hang) for ever');
    const opened = await openPage(origin, accountHref(key));
    const { page, press, expectToast, row, region } = opened;
    await row(/storyboard_script · 0 %/).waitFor();
    await row(/for ever sora-2 generating, hangs/).waitFor();
    const { dueAt } = await read(key, `/tasks/${id}`);

    await press('Next step');
    await expectToast('Advanced to the next step: 1 transition.');
    await row(/storyboard_image · 10 %/).waitFor();
    await eventually(async () => (await measureBars(opened))[1]?.done).toBe(10);
    const { now } = (await read(key)).clock;
    expect(now).toBe(dueAt);
    await region('Clock').getByText(now.slice(0, 19).replace('T', ' ')).waitFor();

    await press('+1 minute');
    await expectToast(/^Advanced by 1:00 min: /);
    const later = (await read(key)).clock.now;
    expect(Date.parse(later) - Date.parse(now)).toBe(60_000);
    await region('Clock').getByText(later.slice(0, 19).replace('T', ' ')).waitFor();
    const { plan, step } = await read(key, `/tasks/${id}`);
    const percent = Math.floor(((Date.parse(later) - Date.UTC(2026, 0, 15, 12)) / plan.endMs) * 100);
    await row(new RegExp(`${step} · ${percent} %`)).waitFor();

    await press('To the end');
    await expectToast(/^Advanced to the end of all tasks: \d transitions?\.$/);
    await row(/sora-2-tvc completed in/).waitFor();
    expect(await read(key, `/tasks/${id}`)).toMatchObject({ status: 'completed' });
    await eventually(async () => (await measureBars(opened))[1]?.done).toBe(100);

    await press('Next step');
    await expectToast('No task has a pending step.');
    await press('To the end');
    await expectToast('Advanced to the end of all tasks: no transitions.');
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
  });

  it('advances to the next step or the end of a single task', async () => {
    const { key, origin, postOk, order, read } = await createAccount();
    const first = (await postOk(`${TVC.path}/generate`, TVC.body, key)).taskId;
    const last = await order(key, '@emulator(duration=20m) slow');
    const hanging = await order(key, '@emulator(hang)');
    const { page, press, expectToast, button, row } = await openPage(origin, accountHref(key, 'tasks', first));
    const article = page.getByRole('article', { name: `Task ${first}` });
    await article.waitFor();
    await press('To its next step');
    await expectToast(/^Advanced by \d+ s: 1 transition\.$/);
    await article.getByText(/^storyboard_image · 10 %/).waitFor();
    await press('To its end');
    await expectToast(/2 transitions\.$/);
    await article.getByText(/^completed in/).waitFor();
    expect(await button('To its end').count()).toBe(0);
    expect(await read(key, `/tasks/${first}`)).toMatchObject({ status: 'completed' });
    expect(await read(key, `/tasks/${last}`)).toMatchObject({ status: 'processing' });

    await row(/hang/).click();
    await page.getByRole('article', { name: `Task ${hanging}` }).waitFor();
    expect([await button('To its next step').isDisabled(), await button('To its end').isDisabled()]).toEqual([
      true,
      true,
    ]);
    await page.getByText('never ends').waitFor();
  });

  it('finds tasks by status and input', async () => {
    const { key, origin, order, callAdmin } = await createAccount();
    const done = await order(key, 'a whale');
    await callAdmin('POST', key, `/tasks/${done}/complete`);
    const failed = await order(key, 'a wolf');
    await callAdmin('POST', key, `/tasks/${failed}/fail`);
    await order(key, 'an owl');
    const { page, rowLabels } = await openPage(origin, accountHref(key));
    const status = page.getByRole('combobox', { name: 'Status' });
    const search = page.getByRole('searchbox', { name: 'Find tasks' });
    const names = async () => (await rowLabels()).map((text) => text.replace(/ sora-2.*/, ''));
    await eventually(names).toEqual(['an owl', 'a wolf', 'a whale']);
    for (const [value, expected] of [
      ['processing', ['an owl']],
      ['completed', ['a whale']],
      ['failed', ['a wolf']],
      ['all', ['an owl', 'a wolf', 'a whale']],
    ] as const) {
      await status.selectOption(value);
      await eventually(names).toEqual(expected);
    }
    await search.fill('WOL');
    await eventually(names).toEqual(['an owl', 'a wolf'].slice(1));
    await search.fill(done);
    await eventually(names).toEqual(['a whale']);
    await status.selectOption('failed');
    await page.getByText('No matching task.').waitFor();
    await page.getByText('0 tasks', { exact: true }).waitFor();
  });

  it('shows the plan, ledger entries, requests and input of a task', async () => {
    const { key, origin, order, postOk, callAdmin } = await createAccount();
    const id = await order(key, '@emulator(fail) a wolf');
    await postOk('/api/sora-2/check-status', { taskId: id }, key);
    const { page, row } = await openPage(origin, accountHref(key));
    await row(/a wolf/).click();
    const article = page.getByRole('article', { name: `Task ${id}` });
    await article.getByRole('heading', { name: /a wolf/ }).waitFor();
    await article.getByTitle(id, { exact: true }).waitFor();
    const steps = article.getByRole('list').nth(0).getByRole('listitem');
    expect(await steps.allInnerTexts()).toEqual([
      'generating at 0 ms',
      expect.stringMatching(/^fails with GENERATION_FAILED at \d:\d\d min$/),
    ]);
    expect(await steps.nth(0).getAttribute('aria-current')).toBe('step');
    await article.getByText(/hold\s−4/).waitFor();
    const input = article.getByRole('region', { name: 'Task input' });
    expect(JSON.parse(await input.innerText())).toMatchObject({ prompt: '@emulator(fail) a wolf' });
    await article.getByRole('link', { name: '/api/sora-2/check-status → 200' }).waitFor();

    await callAdmin('POST', key, '/clock/advance', { toNext: true });
    await article.getByText('failed, refunded: GENERATION_FAILED').waitFor();
    await article.getByText(/refund\s\+4/).waitFor();
    await article.getByText('Finished at').waitFor();
    expect(await steps.nth(0).getAttribute('aria-current')).toBeNull();

    await article.getByRole('link', { name: '/api/sora-2/generate → 200' }).click();
    await page.getByRole('article', { name: 'Request 1' }).waitFor();
    expect(page.url()).toBe(`${origin}/console${accountHref(key, 'requests', '1')}`);
    // The request links back to the task.
    await page.getByRole('link', { name: /a wolf task_/ }).click();
    await article.waitFor();
  });

  it('shows images, and plays videos', async () => {
    const { key, origin, order, postOk, callAdmin, read } = await createAccount();
    const video = await order(key);
    const image = ORDERS['nano-banana-pro'];
    const { generationId } = await postOk(`${image.path}/generate`, image.body, key);
    await callAdmin('POST', key, '/clock/advance', { ms: 3_600_000 });
    const { page, row, readClipboard, button } = await openPage(origin, accountHref(key));

    const thumbnailWidth = (name: RegExp, tag: string) =>
      row(name)
        .locator(tag)
        .evaluate((one: PageElement) => one.naturalWidth ?? one.videoWidth);
    await eventually(() => thumbnailWidth(/a cat/, 'img')).toBe(1376);
    await eventually(() => thumbnailWidth(/golden retriever/, 'video')).toBe(704);

    await row(/a cat/).click();
    const shown = page.getByRole('img', { name: 'The imageUrl of this task' });
    await eventually(() => shown.evaluate((one: PageElement) => [one.naturalWidth, one.naturalHeight])).toEqual([
      1376, 768,
    ]);
    await page.getByText(generationId).waitFor();

    await row(/golden retriever/).click();
    const player = page.getByLabel('The videoUrl of this task');
    const state = () =>
      player.evaluate((one: PageElement) => ({ is: one.paused ? 'paused' : 'playing', at: one.currentTime }));
    await eventually(state).toEqual({ is: 'paused', at: 0 });
    await player.focus();
    await page.keyboard.press('Space');
    await eventually(async () => (await state()).at).toBeGreaterThan(0.1);

    await button('Copy address of videoUrl').click();
    await eventually(readClipboard).toMatch(`${origin}/media/`);
    // Viewing a result is not recorded in the journal; a client's fetch is.
    expect((await read(key, '/requests/count')).count).toBe(2);
    const file = await fetch(await readClipboard());
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'video/mp4']);
    expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(1000);
    const { requests } = await read(key, '/requests');
    expect(requests.at(-1).taskIds).toEqual([video]);
  });

  it('completes a task, and fails one with a documented code', async () => {
    const { key, origin, order, read } = await createAccount();
    const one = await order(key, 'one');
    const other = await order(key, 'other');
    const { page, press, expectToast, row, form, region } = await openPage(origin, accountHref(key, 'tasks', one));
    await press('Complete now');
    await expectToast(`Task ${one} completed.`);
    await row(/^one sora-2 completed/).waitFor();
    expect(await read(key, `/tasks/${one}`)).toMatchObject({ status: 'completed' });

    await row(/^other/).click();
    await page.getByRole('article', { name: `Task ${other}` }).waitFor();
    await press('Fail …');
    const codes = form('Fail this task').getByLabel('Error code');
    await eventually(() => codes.getByRole('option').allInnerTexts()).toEqual(['GENERATION_FAILED', 'INTERNAL_ERROR']);
    await codes.selectOption('INTERNAL_ERROR');
    await press('Fail');
    await expectToast(`Task ${other} failed; its credits were refunded.`);
    await row(/^other sora-2 failed, refunded: INTERNAL_ERROR/).waitFor();
    await region('Credits').getByText('996', { exact: true }).waitFor();
    await region('Credits').getByText('none held').waitFor();
    expect(await read(key, `/tasks/${other}`)).toMatchObject({
      status: 'failed',
      result: { errorCode: 'INTERNAL_ERROR' },
    });
  });

  it('updates tasks on a real clock by itself, and advances one to its end', async () => {
    const { origin, order, callAdmin, read } = await startListeningEmulator(['--speed', '5'], systemClock as TestClock);
    const key = 'np_test_default';
    const id = await order(key);
    const opened = await openPage(origin, accountHref(key, 'tasks', id));
    const { page, press, row, rows } = opened;
    const percent = async () => Number(/· (\d+) %/.exec(await rows.innerText())?.[1]);
    await eventually(percent).toBeGreaterThanOrEqual(0);
    const [startPercent, [bar], [detailBar]] = [
      await percent(),
      await measureBars(opened),
      await measureBars(opened, 'article'),
    ];
    await eventually(percent).toBeGreaterThan(startPercent + 1);
    await eventually(async () => (await measureBars(opened))[0]!.done).toBeGreaterThan(bar!.done + 1);
    await eventually(async () => (await measureBars(opened, 'article'))[0]!.done).toBeGreaterThan(detailBar!.done + 1);
    await press('To its end');
    await row(/completed/).waitFor();
    expect(await read(key, `/tasks/${id}`)).toMatchObject({ status: 'completed' });

    await order(key, 'the second');
    await row(/the second sora-2 generating/).waitFor();
    // At this speed, the task finishes by itself at once.
    await callAdmin('PATCH', key, '', { speed: 100_000 });
    await row(/the second sora-2 completed/).waitFor();
    expect(await page.getByText('generating').count()).toBe(1);
  });

  it('reports tasks and accounts that do not exist', async () => {
    const { key, origin } = await createAccount();
    const { page } = await openPage(origin, accountHref(key, 'tasks', 'nothing'), {
      expected: [statusError(404)],
    });
    await page.getByText('Task nothing not found.').waitFor();
    await page.goto(`${origin}/console${accountHref('nobody')}`);
    await page.getByRole('heading', { name: 'Account nobody not found' }).waitFor();
    await page.getByRole('link', { name: 'All accounts' }).click();
    await page.getByRole('heading', { name: 'Accounts' }).waitFor();
  });
});
