import { useEffect, useState } from 'preact/hooks';
import type { Account as Own } from '../../client/types.ts';
import { Action, Choice, Copy, Field, Form, Pop } from '../components/buttons.tsx';
import { dayAndTime, grouped, isoOf, timeOfDay } from '../components/format.ts';
import { accountHref, TABS, type Tab } from '../route.ts';
import { type AccountState, openAccount } from '../state/account.ts';
import { accountPath, call, Refusal } from '../state/api.ts';
import { advance, advanceToEnd, advanceToNext } from './advance.ts';
import { AccountFaults } from './faults.tsx';
import { Ledger } from './ledger.tsx';
import { Requests } from './requests.tsx';
import { States } from './snapshots.tsx';
import { nowOf } from './task-bar.tsx';
import { Tasks } from './tasks.tsx';
import { Verdict } from './verdict.tsx';

const MINUTE_MS = 60_000;

export function Account({ accountKey, tab, id }: { accountKey: string; tab: Tab; id: string | undefined }) {
  const [state, setState] = useState<AccountState>();
  useEffect(() => {
    const opened = openAccount(accountKey);
    setState(opened);
    return opened.stop;
  }, [accountKey]);
  if (!state || state.key !== accountKey) return <main class="page" />;
  if (state.isMissing.value) {
    return (
      <main class="page">
        <h1>
          There is no account <bdi class="mono">{accountKey}</bdi>
        </h1>
        <p>
          It was removed, or has not been used yet. <a href="#/">All accounts</a>
        </p>
      </main>
    );
  }
  return (
    <main class="page account">
      <Head state={state} />
      <Tabs state={state} tab={tab} />
      <View state={state} tab={tab} id={id} />
    </main>
  );
}

function View({ state, tab, id }: { state: AccountState; tab: Tab; id: string | undefined }) {
  switch (tab) {
    case 'tasks':
      return <Tasks state={state} id={id} />;
    case 'ledger':
      return <Ledger state={state} />;
    case 'requests':
      return <Requests state={state} id={id} />;
    case 'verdict':
      return <Verdict state={state} />;
    case 'faults':
      return <AccountFaults state={state} />;
    case 'states':
      return <States state={state} />;
  }
}

function Tabs({ state, tab }: { state: AccountState; tab: Tab }) {
  const { tasks, ledger, requests, verdict, faults, snapshots } = state;
  const counts: Record<Tab, number | undefined> = {
    tasks: tasks.items.value.length,
    ledger: ledger.items.value.length,
    requests: requests.items.value.length,
    verdict: verdict.value.value?.findings.length,
    faults: faults.value.value?.faults.length,
    states: snapshots.value.value?.snapshots.length,
  };
  return (
    <nav class="tabs" aria-label="Views of this account">
      {TABS.map((one) => (
        <a key={one} href={accountHref(state.key, one)} aria-current={one === tab ? 'page' : undefined}>
          {one}
          {counts[one] ? (
            <span class={one === 'verdict' ? 'count bad' : 'count'}>{grouped(counts[one])}</span>
          ) : null}
        </a>
      ))}
    </nav>
  );
}

function Head({ state }: { state: AccountState }) {
  const account = state.account.value;
  return (
    <header class="account-head">
      <div class="account-title">
        <h1>
          <bdi class="mono">{state.key}</bdi>
        </h1>
        <Copy text={() => state.key} label="Copy the key">
          Copy
        </Copy>
        {account?.revoked && <span class="mark fault">revoked</span>}
      </div>
      {account && (
        <div class="cards">
          <Credits state={state} account={account} />
          <Limiter state={state} account={account} />
          <Clock state={state} account={account} />
        </div>
      )}
    </header>
  );
}

interface CardProps {
  state: AccountState;
  account: Own;
}

function Credits({ state, account }: CardProps) {
  const held = state.heldCredits.value;
  return (
    <section class="card" aria-label="Credits">
      <h2>Credits</h2>
      <p class="figure">{grouped(account.credits)}</p>
      <p class="quiet">{held > 0 ? `${grouped(held)} more are held` : 'none are held'}</p>
      <Pop label="Give or take …">
        {(close) => (
          <Form
            label="Give or take credits"
            submit="Book it"
            onDone={close}
            do={async ({ amount, reason }) => {
              const { credits } = await call<Own>('POST', accountPath(state.key, '/credits'), {
                amount: Number(amount),
                reason,
              });
              return `The balance is ${grouped(credits)} now.`;
            }}
          >
            <Field
              label="Amount"
              name="amount"
              type="number"
              required
              step={1}
              hint="Below zero takes credits away."
            />
            <Field label="Reason" name="reason" maxLength={500} />
          </Form>
        )}
      </Pop>
    </section>
  );
}

function Limiter({ state, account: { rateLimit } }: CardProps) {
  const { limit, remaining, resetAt } = rateLimit;
  const path = accountPath(state.key, '/rate-limit');
  return (
    <section class="card" aria-label="Limiter">
      <h2>Limiter</h2>
      <p class="figure">{limit === null ? 'off' : `${grouped(remaining ?? 0)} of ${grouped(limit)}`}</p>
      <p class="quiet">
        {limit === null
          ? 'no limit'
          : resetAt === null
            ? 'left of the hour'
            : `left until ${timeOfDay(resetAt).slice(0, 8)}`}
      </p>
      <Pop label="Set …">
        {(close) => (
          <>
            <Form
              label="Set the limiter"
              submit="Set it"
              onDone={close}
              do={async (fields) => {
                if (Object.keys(fields).length === 0)
                  throw new Refusal('NOTHING_GIVEN', 'Nothing is changed: neither field says anything.');
                const given = Object.entries(fields).map(([name, value]) => [name, Number(value)]);
                await call('PUT', path, Object.fromEntries(given));
                return 'The limiter is set.';
              }}
            >
              <Field
                label="Requests an hour"
                name="limit"
                type="number"
                min={1}
                placeholder={String(limit ?? 100)}
              />
              <Field
                label="Left of this hour"
                name="remaining"
                type="number"
                min={0}
                placeholder={String(remaining ?? '')}
              />
            </Form>
            <Action
              do={async () => {
                await call('PUT', path, { limit: null });
                close();
                return 'The limiter is off.';
              }}
            >
              Switch it off
            </Action>
          </>
        )}
      </Pop>
    </section>
  );
}

const MODES: Record<Own['clock']['mode'], string> = {
  real: 'follows the wall clock',
  frozen: 'moves when it is advanced',
  auto: 'each poll moves it on',
};

function Clock({ state, account }: CardProps) {
  const { mode } = account.clock;
  return (
    <section class="card wide" aria-label="Clock">
      <h2>
        Clock <span class="mark">{mode}</span>
      </h2>
      <Now state={state} />
      <p class="quiet">
        {MODES[mode]}
        {mode === 'real' && account.speed !== 1 && `; generation runs ${account.speed} times as fast`}
      </p>
      <div class="actions">
        <Action kind="main" do={() => advanceToNext(state)}>
          Next step
        </Action>
        <Action do={() => advance(state, MINUTE_MS)}>+1 minute</Action>
        <Action do={() => advanceToEnd(state)}>To the end</Action>
        <Pop label="Change …">
          {(close) => (
            <Form
              label="Change the clock"
              submit="Change it"
              onDone={close}
              do={async ({ mode: wanted, speed }) => {
                await call('PUT', accountPath(state.key, '/clock'), { mode: wanted });
                if (speed !== undefined)
                  await call('PATCH', accountPath(state.key), { speed: Number(speed) });
                return `The clock is ${wanted} now.`;
              }}
            >
              <Choice
                label="Mode"
                name="mode"
                value={mode}
                options={Object.entries(MODES).map(([name, text]) => [name, `${name} – ${text}`])}
              />
              <Field
                label="Speed"
                name="speed"
                type="number"
                min={0.000001}
                step="any"
                placeholder={String(account.speed)}
              />
            </Form>
          )}
        </Pop>
      </div>
    </section>
  );
}

/** Alone, because it changes all the time. */
function Now({ state }: { state: AccountState }) {
  return <p class="figure">{dayAndTime(isoOf(nowOf(state)))}</p>;
}
