import type { Locator } from '@playwright/test';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/client/types.ts';
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

const KEY = 'np_test_frozen';
/** A toast is gone after this time. */
const TOAST_MS = 6000;
const GENERATE = '/api/sora-2/generate';

/** The effects that docs/reference/faults.md lists for each stage. */
const EFFECTS_BY_STAGE = {
  request: 'errorCode fail hang delayMs reset empty truncateAfter malformed answer',
  charge: 'errorCode fail hang delayMs reset empty truncateAfter malformed answer',
  accepted: 'errorCode fail hang delayMs reset empty truncateAfter malformed answer',
  task: 'errorCode fail hang durationMs',
  stream: 'fail hang delayMs reset empty truncateAfter',
  media: 'errorCode hang delayMs reset empty truncateAfter',
};

/** Creates the rule of the form, the `count`th of its account. */
async function createRule({ press, expectToast }: OpenedPage, read: () => Promise<{ faults: Fault[] }>, count: number) {
  await press('Create rule');
  await eventually(async () => (await read()).faults.length).toBe(count);
  await expectToast(`Rule ${(await read()).faults.at(-1)!.id} created for this account.`);
}

const findSelect = (within: Locator, name: string) => within.getByRole('combobox', { name, exact: true });

describe.skipIf(!CHROMIUM)('console faults', () => {
  const { openPage, createAccount } = useConsole();

  it('offers exactly the effects that the contract allows at each stage', async () => {
    const { key, origin, read } = await createAccount();
    const opened = await openPage(origin, accountHref(key, 'faults'));
    const rule = opened.form('New rule for this account');
    const [stageSelect, effectSelect] = [findSelect(rule, 'Stage'), findSelect(rule, 'Effect')];
    const optionValues = (select: typeof stageSelect) =>
      select.getByRole('option').evaluateAll((options: PageElement[]) => options.map(({ value }) => value));
    await eventually(() => optionValues(stageSelect)).toEqual(Object.keys(EFFECTS_BY_STAGE));
    const expectedRules: object[] = [];
    const untried = new Set(Object.values(EFFECTS_BY_STAGE).flatMap((effects) => effects.split(' ')));
    // Stages with few effects first, so that each stage gets a rule.
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
        expectedRules.push({ at: stage, effect: { [effect]: expect.anything() } });
        await createRule(opened, () => read(key, '/faults'), expectedRules.length);
      }
    }
    expect([...untried]).toEqual([]);
    expect((await read(key, '/faults')).faults).toMatchObject(expectedRules);
  });

  it('shows and sets the failure rate', async () => {
    const { key, origin, read } = await createAccount();
    const { form, expectToast, press, region } = await openPage(origin, accountHref(key, 'faults'));
    await region('Failure rate').getByText('fail without a rule: 0').waitFor();
    await press('Set failure rate …');
    await form('Set the failure rate').getByLabel('Failure rate').fill('0.25');
    await press('Update');
    await expectToast('Failure rate: 0.25.');
    await region('Failure rate').getByText('fail without a rule: 0.25').waitFor();
    expect((await read(key)).failureRate).toBe(0.25);
  });

  it('ignores choices in fields that are no longer shown', async () => {
    const { key, origin, order, callAdmin, read } = await createAccount();
    await order(key);
    await callAdmin('POST', key, '/clock/advance', { ms: 3_600_000 });
    const opened = await openPage(origin, accountHref(key, 'faults'));
    const rule = opened.form('New rule for this account');
    await findSelect(rule, 'Endpoint').selectOption(GENERATE);
    await findSelect(rule, 'Stage').selectOption('media');
    await createRule(opened, () => read(key, '/faults'), 1);
    const [task] = (await read(key, '/tasks')).tasks;
    expect((await fetch(origin + new URL(task.result.videoUrl).pathname)).status).toBeGreaterThanOrEqual(400);
    expect((await read(key, '/faults')).faults).toMatchObject([{ at: 'media', match: {}, fired: 1 }]);
    expect((await read(key, '/faults')).faults[0].match).toEqual({});
    // When the field is shown again, its visible value counts.
    await findSelect(rule, 'Stage').selectOption('request');
    expect(await findSelect(rule, 'Endpoint').inputValue()).toBe(GENERATE);
    await createRule(opened, () => read(key, '/faults'), 2);
    expect((await read(key, '/faults')).faults[1].match).toEqual({ endpoint: GENERATE });
  });

  it('offers the error codes that the endpoint documents', async () => {
    const { key, origin, get } = await createAccount();
    const { form } = await openPage(origin, accountHref(key, 'faults'));
    const rule = form('New rule for this account');
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

  it('overrides the status of an error code only where the code is sent in a response', async () => {
    const { key, origin, read, post } = await createAccount();
    const opened = await openPage(origin, accountHref(key, 'faults'));
    const rule = opened.form('New rule for this account');
    const status = rule.getByRole('spinbutton', { name: 'Status', exact: true });
    await findSelect(rule, 'Code').selectOption('INTERNAL_ERROR');
    await status.fill('502');
    await createRule(opened, () => read(key, '/faults'), 1);
    const response = await post(GENERATE, { prompt: 'a dog', mode: 'textToVideo' }, key);
    expect([response.status, response.body.errorCode]).toEqual([502, 'INTERNAL_ERROR']);
    // A failed task is reported by polls, whose status cannot be set.
    await findSelect(rule, 'Stage').selectOption('task');
    await status.waitFor({ state: 'detached' });
    await createRule(opened, () => read(key, '/faults'), 2);
    const effects = (await read(key, '/faults')).faults.map(({ effect }: Fault) => effect);
    expect(effects[0]).toEqual({ errorCode: 'INTERNAL_ERROR', status: 502 });
    expect(Object.keys(effects[1])).toEqual(['errorCode']);
  });

  it('adds rules that apply as configured, counts how often they fire, and removes them', async () => {
    const { origin, read, post } = await startListeningEmulator();
    const { page, form, expectToast, press, pressAndConfirm, region, tab } = await openPage(
      origin,
      accountHref(KEY, 'faults'),
      { expected: [statusError(400)], isClockControlled: true },
    );
    const rule = form('New rule for this account');
    const ruleItems = region('Rules for this account').getByRole('listitem');
    await region('Rules for this account')
      .getByText(/^No rules\./)
      .waitFor();
    await findSelect(rule, 'Code').selectOption('INTERNAL_ERROR');
    await findSelect(rule, 'Family').selectOption('sora-2');
    await findSelect(rule, 'Endpoint').selectOption(GENERATE);
    await rule.getByLabel('Body contains').fill('a cat');
    await rule.getByLabel('Times').fill('1');
    await rule.getByLabel('Skip first').fill('1');
    await rule.getByLabel('Probability').fill('1');
    await press('Create rule');
    await expectToast('Rule 1 created for this account.');
    const [fault] = (await read(KEY, '/faults')).faults as Fault[];
    expect(fault).toMatchObject({
      ...{ at: 'request', effect: { errorCode: 'INTERNAL_ERROR' }, times: 1, after: 1, probability: 1 },
      match: { family: 'sora-2', endpoint: GENERATE, contains: 'a cat' },
    });
    const sentence = ruleItems.getByText(
      `The next submission of the family sora-2 to ${GENERATE} whose body contains “a cat”, after the first one, ` +
        'gets INTERNAL_ERROR, with a probability of 100 %.',
    );
    await sentence.waitFor();
    await ruleItems.getByText('rule 1 · has not fired yet').waitFor();
    await eventually(() => tab('faults').innerText()).toMatch(/1$/);

    await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, KEY);
    await post(GENERATE, { prompt: 'a dog', mode: 'textToVideo' }, KEY);
    expect((await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, KEY)).status).toBe(500);
    await ruleItems.getByText('rule 1 · has fired once · used up').waitFor();

    await findSelect(rule, 'Effect').selectOption('answer');
    await rule.getByLabel('Content type').fill('text/…');
    await press('Create rule');
    await expectToast(/^Invalid parameter effect/);
    // It covers the button for some seconds.
    await page.clock.fastForward(TOAST_MS);
    await rule.getByLabel('Content type').fill('text/html');
    await rule.getByLabel('Text', { exact: true }).fill('<h1>Bad gateway</h1>');
    for (const name of ['Times', 'Skip first', 'Probability', 'Body contains']) await rule.getByLabel(name).fill('');
    await press('Create rule');
    await expectToast('Rule 2 created for this account.');
    const response = await post(GENERATE, { prompt: 'a dog' }, KEY);
    expect([response.status, response.text, response.headers['content-type']]).toEqual([
      ...[502, '<h1>Bad gateway</h1>', 'text/html'],
    ]);
    await ruleItems.getByText('rule 2 · has fired once').waitFor();

    await pressAndConfirm('Remove rule 1', ruleItems);
    await expectToast('Rule 1 removed.');
    await sentence.waitFor({ state: 'detached' });
    expect((await read(KEY, '/faults')).faults).toMatchObject([{ id: '2' }]);
    await press('Create rule');
    await expectToast('Rule 3 created for this account.');
    await pressAndConfirm('Clear rules for this account', region('Rules for this account'));
    await expectToast('All rules removed.');
    await region('Rules for this account')
      .getByText(/^No rules\./)
      .waitFor();
    expect((await read(KEY, '/faults')).faults).toEqual([]);
  });

  it('shows the requests that came close to a rule, and what kept it from firing', async () => {
    const { key, origin, post, callAdmin } = await createAccount();
    const match = { endpoint: GENERATE, contains: 'a cat' };
    const { id } = await callAdmin('POST', key, '/faults', { at: 'request', effect: { fail: true }, match, times: 1 });
    const { page, region } = await openPage(origin, accountHref(key, 'faults'));
    const rules = region('Rules for this account');
    await rules.getByText(/^Why has it not fired/).click();
    await rules.getByText('No request has come close to this rule.').waitFor();
    await post(GENERATE, { prompt: 'a dog', mode: 'textToVideo' }, key);
    await rules.getByText('match.contains: the body does not contain "a cat"').waitFor();
    await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, key);
    await rules.getByText(`rule ${id} · has fired once · used up`).waitFor();
    await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, key);
    await rules.getByText('times: the rule had already fired once').waitFor();
    // A request becomes a link when the page has read it.
    await eventually(() => rules.getByRole('link').count()).toBe(2);
    // The latest first.
    await rules.getByRole('link').first().click();
    await page.getByRole('article', { name: 'Request 3' }).waitFor();
  });

  it("adds rules for all accounts, and shows them with each account's own", async () => {
    const { origin, get, post, read } = await startListeningEmulator();
    const { page, form, expectToast, press, pressAndConfirm, region } = await openPage(origin, '#/faults');
    const rule = form('New rule for all accounts');
    await region('Rules for all accounts')
      .getByText(/^No rules\./)
      .waitFor();
    await findSelect(rule, 'Stage').selectOption('charge');
    await findSelect(rule, 'Effect').selectOption('fail');
    await press('Create rule');
    await expectToast('Rule 1 created for all accounts.');
    expect((await get('/__admin/faults')).body.faults).toMatchObject([{ at: 'charge', effect: { fail: true } }]);
    const text = 'Every request fails before its credits are held.';
    await region('Rules for all accounts').getByText(text).waitFor();
    for (const [key, times] of [
      ['np_test_default', 'once'],
      [KEY, '2 times'],
    ] as const) {
      expect((await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo' }, key)).status).toBe(500);
      await region('Rules for all accounts').getByText(`rule 1 · has fired ${times}`).waitFor();
    }

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'faults'))}`);
    await region('Rules for this account')
      .getByText(/^No rules\./)
      .waitFor();
    await region('Rules for all accounts').getByText(text).waitFor();
    await pressAndConfirm('Remove rule 1', region('Rules for all accounts'));
    await expectToast('Rule 1 removed.');
    await region('Rules for all accounts')
      .getByText(/^No rules\./)
      .waitFor();
    expect((await get('/__admin/faults')).body.faults).toEqual([]);
    expect((await read(KEY, '/faults')).faults).toEqual([]);
  });
});
