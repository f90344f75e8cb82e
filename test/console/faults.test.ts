import type { Locator } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/client/types.ts';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  type PageElement,
  startListeningEmulator,
  statusError,
  useConsole,
} from '../support/console.ts';

const KEY = 'np_test_frozen';
const GENERATE = '/api/sora-2/generate';

/** What docs/faults.md says that can happen when. */
const EFFECTS_BY_STAGE = {
  request: 'errorCode fail hang delayMs reset empty truncateAfter malformed answer',
  charge: 'errorCode fail hang delayMs reset empty truncateAfter malformed answer',
  accepted: 'errorCode fail hang delayMs reset empty truncateAfter malformed answer',
  task: 'errorCode fail hang durationMs',
  stream: 'fail hang delayMs reset empty truncateAfter',
  media: 'errorCode hang delayMs reset empty truncateAfter',
};

const findSelect = (within: Locator, name: string) => within.getByRole('combobox', { name, exact: true });

describe.skipIf(!CHROMIUM)('faults in the console', () => {
  const { openPage } = useConsole();

  it('can be whatever the contract allows at each stage, and nothing else', async () => {
    const { origin, read } = await startListeningEmulator();
    const { form, expectToast, press } = await openPage(origin, accountHref(KEY, 'faults'));
    const rule = form('A new rule for this account');
    const [stageSelect, effectSelect] = [findSelect(rule, 'When'), findSelect(rule, 'What')];
    const optionValues = (select: typeof stageSelect) =>
      select.getByRole('option').evaluateAll((options: PageElement[]) => options.map(({ value }) => value));
    await eventually(() => optionValues(stageSelect)).toEqual(Object.keys(EFFECTS_BY_STAGE));
    const expectedRules: object[] = [];
    const untried = new Set(Object.values(EFFECTS_BY_STAGE).flatMap((effects) => effects.split(' ')));
    // The narrow ones first, so that each of them comes to set a rule.
    for (const [stage, effects] of Object.entries(EFFECTS_BY_STAGE).reverse()) {
      await stageSelect.selectOption(stage);
      await eventually(async () => (await optionValues(effectSelect)).sort().join(' ')).toBe(
        effects.split(' ').sort().join(' '),
      );
      expect(await findSelect(rule, 'Endpoint').count(), stage).toBe(stage === 'media' ? 0 : 1);
      const untriedHere = effects.split(' ').filter((effect) => untried.delete(effect));
      for (const effect of untriedHere.length > 0 ? untriedHere : [effects.split(' ')[0]!]) {
        await effectSelect.selectOption(effect);
        for (const amount of ['Milliseconds', 'Simulated milliseconds', 'Bytes']) {
          const field = rule.getByRole('spinbutton', { name: amount, exact: true });
          if (await field.isVisible()) await field.fill('7');
        }
        await press('Set this rule');
        expectedRules.push({ at: stage, effect: { [effect]: expect.anything() } });
        await expectToast(`Rule ${expectedRules.length} is set for this account.`);
      }
    }
    expect([...untried]).toEqual([]);
    expect((await read(KEY, '/faults')).faults).toMatchObject(expectedRules);
  });

  it('have nothing of what was chosen and is not offered any more', async () => {
    const { origin, order, callAdmin, read } = await startListeningEmulator();
    await order(KEY);
    await callAdmin('POST', KEY, '/clock/advance', { ms: 3_600_000 });
    const { form, press, expectToast } = await openPage(origin, accountHref(KEY, 'faults'));
    const rule = form('A new rule for this account');
    await findSelect(rule, 'Endpoint').selectOption(GENERATE);
    await findSelect(rule, 'When').selectOption('media');
    await press('Set this rule');
    await expectToast('Rule 1 is set for this account.');
    const [task] = (await read(KEY, '/tasks')).tasks;
    expect((await fetch(origin + new URL(task.result.videoUrl).pathname)).status).toBeGreaterThanOrEqual(400);
    expect((await read(KEY, '/faults')).faults).toMatchObject([{ at: 'media', match: {}, fired: 1 }]);
    expect((await read(KEY, '/faults')).faults[0].match).toEqual({});
    // Where it is offered again, it is what one sees that counts.
    await findSelect(rule, 'When').selectOption('request');
    expect(await findSelect(rule, 'Endpoint').inputValue()).toBe(GENERATE);
    await press('Set this rule');
    await expectToast('Rule 2 is set for this account.');
    expect((await read(KEY, '/faults')).faults[1].match).toEqual({ endpoint: GENERATE });
  });

  it('have the codes that the endpoint documents', async () => {
    const { origin, get } = await startListeningEmulator();
    const { form } = await openPage(origin, accountHref(KEY, 'faults'));
    const rule = form('A new rule for this account');
    const code = findSelect(rule, 'Code');
    const codes = () => code.getByRole('option').allInnerTexts();
    const endpoints = findSelect(rule, 'Endpoint').getByRole('option');
    const { paths } = (await get('/openapi.json')).body;
    const documented = (...endpointPaths: string[]) => {
      const responses = endpointPaths.flatMap((path) => Object.values(paths[path].post.responses));
      const known = responses.flatMap(
        (one) => (one as { 'x-error-codes'?: { code: string }[] })['x-error-codes'] ?? [],
      );
      return [...new Set(known.map((one) => one.code))].sort();
    };
    const ownPaths = ['/api/nano-banana-2/generate', '/api/nano-banana-2/check-status'];
    await findSelect(rule, 'Family').selectOption('nano-banana-2');
    await eventually(() => endpoints.allInnerTexts()).toEqual(['all', ...ownPaths]);
    await eventually(codes).toEqual(documented(...ownPaths));
    for (const path of ownPaths) {
      await findSelect(rule, 'Endpoint').selectOption(path);
      await eventually(codes).toEqual(documented(path));
    }
    await findSelect(rule, 'Family').selectOption('all');
    await eventually(() => endpoints.count()).toBe(
      Object.values(paths).filter((one) => (one as { post?: object }).post).length + 1,
    );
  });

  it('give a code another status where it stands in an answer', async () => {
    const { origin, read, post } = await startListeningEmulator();
    const { form, expectToast, press } = await openPage(origin, accountHref(KEY, 'faults'));
    const rule = form('A new rule for this account');
    const status = rule.getByRole('spinbutton', { name: 'Status', exact: true });
    await findSelect(rule, 'Code').selectOption('INTERNAL_ERROR');
    await status.fill('502');
    await press('Set this rule');
    await expectToast('Rule 1 is set for this account.');
    const response = await post(GENERATE, { prompt: 'a dog', mode: 'textToVideo' }, KEY);
    expect([response.status, response.body.errorCode]).toEqual([502, 'INTERNAL_ERROR']);
    // A task's failure is told by polls, which have a status of their own.
    await findSelect(rule, 'When').selectOption('task');
    await status.waitFor({ state: 'detached' });
    await press('Set this rule');
    await expectToast('Rule 2 is set for this account.');
    const effects = (await read(KEY, '/faults')).faults.map(({ effect }: Fault) => effect);
    expect(effects[0]).toEqual({ errorCode: 'INTERNAL_ERROR', status: 502 });
    expect(Object.keys(effects[1])).toEqual(['errorCode']);
  });

  it('strike as they are set, tell how often they have struck, and are removed', async () => {
    const { origin, read, post } = await startListeningEmulator();
    const { form, expectToast, press, pressTwice, region, tab } = await openPage(origin, accountHref(KEY, 'faults'), {
      expected: [statusError(400)],
    });
    const rule = form('A new rule for this account');
    const ruleItems = region('Of this account').getByRole('listitem');
    await region('Of this account').getByText('None is set.').waitFor();
    await findSelect(rule, 'Code').selectOption('INTERNAL_ERROR');
    await findSelect(rule, 'Family').selectOption('sora-2');
    await findSelect(rule, 'Endpoint').selectOption(GENERATE);
    await rule.getByLabel('Whose body contains').fill('a cat');
    await rule.getByLabel('Times').fill('1');
    await rule.getByLabel('After as many').fill('1');
    await rule.getByLabel('Probability').fill('1');
    await press('Set this rule');
    await expectToast('Rule 1 is set for this account.');
    const [fault] = (await read(KEY, '/faults')).faults as Fault[];
    expect(fault).toMatchObject({
      ...{ at: 'request', effect: { errorCode: 'INTERNAL_ERROR' }, times: 1, after: 1, probability: 1 },
      match: { family: 'sora-2', endpoint: GENERATE, contains: 'a cat' },
    });
    const sentence = ruleItems.getByText(
      `at request: errorCode INTERNAL_ERROR · where family sora-2, endpoint ${GENERATE}, contains a cat · once · after 1 have passed · with probability 1`,
    );
    await sentence.waitFor();
    await ruleItems.getByText('rule 1 · has not struck yet').waitFor();
    await eventually(() => tab('faults').innerText()).toMatch(/1$/);

    await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, KEY);
    await post(GENERATE, { prompt: 'a dog', mode: 'textToVideo' }, KEY);
    expect((await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, KEY)).status).toBe(500);
    await ruleItems.getByText('rule 1 · has struck once · used up').waitFor();

    await findSelect(rule, 'What').selectOption('answer');
    await rule.getByLabel('Content type').fill('text/…');
    await press('Set this rule');
    await expectToast(/^Invalid parameter effect/);
    await rule.getByLabel('Content type').fill('text/html');
    await rule.getByLabel('Text', { exact: true }).fill('<h1>Bad gateway</h1>');
    for (const name of ['Times', 'After as many', 'Probability', 'Whose body contains'])
      await rule.getByLabel(name).fill('');
    await press('Set this rule');
    await expectToast('Rule 2 is set for this account.');
    const response = await post(GENERATE, { prompt: 'a dog' }, KEY);
    expect([response.status, response.text, response.headers['content-type']]).toEqual([
      ...[502, '<h1>Bad gateway</h1>', 'text/html'],
    ]);
    await ruleItems.getByText('rule 2 · has struck once').waitFor();

    await pressTwice('Remove rule 1', ruleItems);
    await expectToast('Rule 1 is removed.');
    await sentence.waitFor({ state: 'detached' });
    expect((await read(KEY, '/faults')).faults).toMatchObject([{ id: '2' }]);
    await press('Set this rule');
    await expectToast('Rule 3 is set for this account.');
    await pressTwice('Remove all of this account', region('Of this account'));
    await expectToast('All of them are removed.');
    await region('Of this account').getByText('None is set.').waitFor();
    expect((await read(KEY, '/faults')).faults).toEqual([]);
  });

  it('are set for everybody too, and told with those of each account', async () => {
    const { origin, get, post, read } = await startListeningEmulator();
    const { page, form, expectToast, press, pressTwice, region } = await openPage(origin, '#/faults');
    const rule = form('A new rule for everybody');
    await region('For everybody').getByText('None is set.').waitFor();
    await findSelect(rule, 'When').selectOption('charge');
    await findSelect(rule, 'What').selectOption('fail');
    await press('Set this rule');
    await expectToast('Rule 1 is set for everybody.');
    expect((await get('/__admin/faults')).body.faults).toMatchObject([{ at: 'charge', effect: { fail: true } }]);
    const text = 'at charge: fail · for every request';
    await region('For everybody').getByText(text).waitFor();
    for (const [key, times] of [
      ['np_test_default', 'once'],
      [KEY, '2 times'],
    ] as const) {
      expect((await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, key)).status).toBe(500);
      await region('For everybody').getByText(`rule 1 · has struck ${times}`).waitFor();
    }

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'faults'))}`);
    await region('Of this account').getByText('None is set.').waitFor();
    await region('For everybody').getByText(text).waitFor();
    await pressTwice('Remove rule 1', region('For everybody'));
    await expectToast('Rule 1 is removed.');
    await region('For everybody').getByText('None is set.').waitFor();
    expect((await get('/__admin/faults')).body.faults).toEqual([]);
    expect((await read(KEY, '/faults')).faults).toEqual([]);
  });
});
