import { useEffect, useState } from 'preact/hooks';
import type { Account } from '../../client/types.ts';
import { ActionButton, CopyButton, Field, Form, FormPopover, Popover, SelectField } from '../components/buttons.tsx';
import { formatDateTime, formatNumber, formatTime, pluralize, toIsoString } from '../components/format.ts';
import { accountHref, TABS, type Tab } from '../route.ts';
import { type AccountState, openAccount } from '../state/account.ts';
import { ApiError, accountPath, requestJson } from '../state/api.ts';
import { isNarrow } from '../state/viewport.ts';
import { advance, advanceToEnd, advanceToNext } from './advance.ts';
import { FaultsView } from './faults/faults.tsx';
import { LedgerView } from './ledger.tsx';
import { RequestsView } from './requests.tsx';
import { SnapshotsView } from './snapshots.tsx';
import { currentTimeMs } from './task-bar.tsx';
import { TasksView } from './tasks.tsx';
import { TimelineView } from './timeline/timeline.tsx';
import { VerdictView } from './verdict.tsx';

const MINUTE_MS = 60_000;

export function AccountView({ accountKey, tab, id }: { accountKey: string; tab: Tab; id: string | undefined }) {
  const [state, setState] = useState<AccountState>();
  useEffect(() => {
    const accountState = openAccount(accountKey);
    setState(accountState);
    return accountState.stop;
  }, [accountKey]);
  if (!state || state.key !== accountKey) return <main class="page" />;
  if (state.isMissing.value) {
    return (
      <main class="page">
        <h1>
          Account <bdi class="mono">{accountKey}</bdi> not found
        </h1>
        <p>
          It was removed or has not been used yet. <a href="#/">All accounts</a>
        </p>
      </main>
    );
  }
  return (
    <main class="page account">
      <AccountHeader state={state} />
      <Tabs state={state} tab={tab} />
      <TabContent state={state} tab={tab} id={id} />
    </main>
  );
}

function TabContent({ state, tab, id }: { state: AccountState; tab: Tab; id: string | undefined }) {
  switch (tab) {
    case 'tasks':
      return <TasksView state={state} id={id} />;
    case 'timeline':
      return <TimelineView state={state} />;
    case 'ledger':
      return <LedgerView state={state} />;
    case 'requests':
      return <RequestsView state={state} id={id} />;
    case 'verdict':
      return <VerdictView state={state} />;
    case 'faults':
      return <FaultsView state={state} />;
    case 'states':
      return <SnapshotsView state={state} />;
  }
}

function Tabs({ state, tab }: { state: AccountState; tab: Tab }) {
  const { tasks, ledger, requests, verdict, faults, snapshots } = state;
  const counts: Record<Tab, number | undefined> = {
    tasks: tasks.items.value.length,
    timeline: undefined,
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
            <span class={one === 'verdict' ? 'count bad' : 'count'}>{formatNumber(counts[one])}</span>
          ) : null}
        </a>
      ))}
    </nav>
  );
}

function AccountHeader({ state }: { state: AccountState }) {
  const account = state.account.value;
  const Figures = isNarrow.value ? FoldedCards : Cards;
  return (
    <header class="account-head">
      <div class="account-title">
        <h1>
          <bdi class="mono">{state.key}</bdi>
        </h1>
        <CopyButton text={() => state.key} label="Copy the key">
          Copy
        </CopyButton>
        {account?.revoked && <span class="mark fault">revoked</span>}
      </div>
      {account && <Figures state={state} account={account} />}
    </header>
  );
}

const Cards = ({ state, account }: CardProps) => (
  <div class="cards">
    <CreditsCard state={state} account={account} />
    <RateLimitCard state={state} account={account} />
    <ClockCard state={state} account={account} />
  </div>
);

/** The figures of the cards on one line, which unfolds them: on a phone they would leave no space for the list. */
function FoldedCards({ state, account }: CardProps) {
  const { limit, remaining } = account.rateLimit;
  return (
    <details class="folded">
      <summary>
        {pluralize(account.credits, 'credit')}
        {limit !== null && ` · ${formatNumber(remaining ?? 0)} of ${formatNumber(limit)} left`} · {account.clock.mode}
      </summary>
      <Cards state={state} account={account} />
    </details>
  );
}

interface CardProps {
  state: AccountState;
  account: Account;
}

function CreditsCard({ state, account }: CardProps) {
  const held = state.heldCredits.value;
  return (
    <section class="card" aria-label="Credits">
      <h2>Credits</h2>
      <p class="figure">{formatNumber(account.credits)}</p>
      <p class="quiet">{held > 0 ? `${formatNumber(held)} held` : 'none held'}</p>
      <FormPopover
        button="Adjust …"
        label="Adjust credits"
        submit="Update"
        do={async ({ amount, reason }) => {
          const { credits } = await requestJson<Account>('POST', accountPath(state.key, '/credits'), {
            amount: Number(amount),
            reason,
          });
          return `New balance: ${formatNumber(credits)}.`;
        }}
      >
        <Field label="Amount" name="amount" type="number" required step={1} hint="Negative to remove credits." />
        <Field label="Reason" name="reason" maxLength={500} />
      </FormPopover>
    </section>
  );
}

function RateLimitCard({ state, account: { rateLimit } }: CardProps) {
  const { limit, remaining, resetAt } = rateLimit;
  const path = accountPath(state.key, '/rate-limit');
  return (
    <section class="card" aria-label="Rate limit">
      <h2>Rate limit</h2>
      <p class="figure">{limit === null ? 'off' : `${formatNumber(remaining ?? 0)} of ${formatNumber(limit)}`}</p>
      <p class="quiet">
        {limit === null
          ? 'no limit'
          : resetAt === null
            ? 'left this hour'
            : `left until ${formatTime(resetAt).slice(0, 8)}`}
      </p>
      <Popover label="Set …">
        {(close) => (
          <>
            <Form
              label="Set the rate limit"
              submit="Update"
              onDone={close}
              do={async (fields) => {
                if (Object.keys(fields).length === 0)
                  throw new ApiError('NOTHING_GIVEN', 'Nothing changed: both fields are empty.');
                const changes = Object.entries(fields).map(([name, value]) => [name, Number(value)]);
                await requestJson('PUT', path, Object.fromEntries(changes));
                return 'Rate limit set.';
              }}
            >
              <Field label="Requests per hour" name="limit" type="number" min={1} placeholder={String(limit ?? 100)} />
              <Field
                label="Left this hour"
                name="remaining"
                type="number"
                min={0}
                placeholder={String(remaining ?? '')}
              />
            </Form>
            <ActionButton
              do={async () => {
                await requestJson('PUT', path, { limit: null });
                close();
                return 'Rate limit off.';
              }}
            >
              Switch off
            </ActionButton>
          </>
        )}
      </Popover>
    </section>
  );
}

const MODE_DESCRIPTIONS: Record<Account['clock']['mode'], string> = {
  real: 'follows the wall clock',
  frozen: 'only moves when advanced',
  auto: 'each poll advances it',
};

function ClockCard({ state, account }: CardProps) {
  const { mode } = account.clock;
  return (
    <section class="card wide" aria-label="Clock">
      <h2>
        Clock <span class="mark">{mode}</span>
      </h2>
      <CurrentTime state={state} />
      <p class="quiet">
        {MODE_DESCRIPTIONS[mode]}
        {mode === 'real' && account.speed !== 1 && `; generation is ${account.speed} times as fast`}
      </p>
      <div class="actions">
        <ActionButton kind="main" do={() => advanceToNext(state)}>
          Next step
        </ActionButton>
        <ActionButton do={() => advance(state, MINUTE_MS)}>+1 minute</ActionButton>
        <ActionButton do={() => advanceToEnd(state)}>To the end</ActionButton>
        <FormPopover
          button="Change …"
          label="Change the clock"
          submit="Update"
          do={async ({ mode: newMode, speed }) => {
            await requestJson('PUT', accountPath(state.key, '/clock'), { mode: newMode });
            if (speed !== undefined) await requestJson('PATCH', accountPath(state.key), { speed: Number(speed) });
            return `Clock mode: ${newMode}.`;
          }}
        >
          <SelectField
            label="Mode"
            name="mode"
            value={mode}
            options={Object.entries(MODE_DESCRIPTIONS).map(([name, text]) => [name, `${name} – ${text}`])}
          />
          <Field
            label="Speed"
            name="speed"
            type="number"
            min={0.000001}
            step="any"
            placeholder={String(account.speed)}
          />
        </FormPopover>
      </div>
    </section>
  );
}

/** The account's current time, as a separate component: a tick of the clock re-renders nothing else. */
function CurrentTime({ state }: { state: AccountState }) {
  return <p class="figure">{formatDateTime(toIsoString(currentTimeMs(state)))}</p>;
}
