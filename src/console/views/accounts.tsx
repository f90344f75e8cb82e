import { useMemo, useState } from 'preact/hooks';
import type { Account } from '../../client/types.ts';
import { ConfirmButton, Field, FormPopover, SelectField } from '../components/buttons.tsx';
import { formatAgo, formatDateTime, formatNumber, pluralize, toIsoString } from '../components/format.ts';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, navigate } from '../route.ts';
import { accounts, accountTimeMs } from '../state/accounts.ts';
import { activeAccounts, isUsed, msSince } from '../state/activity.ts';
import { ORIGIN, requestJson } from '../state/api.ts';
import { isReadOnly } from '../state/read-only.ts';
import { tickMs } from '../time.ts';
import { RecentRequests, UnauthorizedRequests } from './activity.tsx';
import { FirstRun } from './first-run.tsx';
import { VerdictSummary } from './verdict-summary.tsx';

const ROW_PX = 48;
const DEFAULT_KEY = 'np_test_default';

export function AccountsView() {
  const all = accounts.items.value;
  const active = activeAccounts.value;
  const [query, setQuery] = useState('');
  const filtered = useMemo(() => {
    const text = query.toLowerCase();
    const ranks = new Map([...active.keys()].map((key, rank) => [key, rank]));
    const rankOf = ({ key }: Account) => ranks.get(key) ?? ranks.size;
    // The busiest first, then the newest: users mostly look for accounts that tests use or have just created.
    return all
      .filter(({ key }) => key.toLowerCase().includes(text))
      .sort(
        (one, other) =>
          rankOf(one) - rankOf(other) ||
          compare(createdSecond(other), createdSecond(one)) ||
          compare(one.key, other.key),
      );
  }, [all, active, query]);
  const exampleKey = all.find(({ key }) => key === DEFAULT_KEY)?.key ?? all[0]?.key ?? DEFAULT_KEY;
  return (
    <main class="page">
      <h1>Accounts</h1>
      <UnauthorizedRequests />
      {isUsed.value === false && !isReadOnly() && <FirstRun accountKey={exampleKey} />}
      <div class="filters">
        <input
          type="search"
          aria-label="Find accounts"
          placeholder="Find by key"
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
        <span class="quiet">{pluralize(filtered.length, 'account')}</span>
        <NewAccount />
        <ConfirmButton
          do={async () => {
            const { accounts: count } = await requestJson<{ accounts: number }>('POST', '__admin/reset');
            return `Everything was reset: ${pluralize(count, 'account')}.`;
          }}
        >
          Reset everything
        </ConfirmButton>
      </div>
      <div class="account-row head" aria-hidden="true">
        <span>Key</span>
        <span class="number">Running</span>
        <span class="number">Failed</span>
        <span>Verdict</span>
        <span>Last request</span>
        <span class="number">Credits</span>
        <span class="number">Requests left</span>
        <span>Clock</span>
        <span>Account time (UTC)</span>
      </div>
      <VirtualList
        label="Accounts, busiest first"
        items={filtered}
        getId={({ key }) => key}
        rowPx={ROW_PX}
        onOpen={({ key }) => navigate(accountHref(key))}
        renderRow={(account) => <Row account={account} />}
        empty={accounts.isLoaded.value ? <Empty hasAccounts={all.length > 0} /> : 'Loading …'}
      />
      <RecentRequests />
    </main>
  );
}

/** Creation time to the second: the accounts created at startup differ by milliseconds. */
const createdSecond = ({ createdAt }: Account) => createdAt.slice(0, 19);

const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);

const Empty = ({ hasAccounts }: { hasAccounts: boolean }) =>
  hasAccounts ? (
    <>No matching account.</>
  ) : (
    <>
      No accounts yet: press <i>New account …</i>, or send a request with a key that starts with <code>np_test_</code>.
    </>
  );

function Row({ account }: { account: Account }) {
  const { key, credits, rateLimit, clock, revoked } = account;
  const { limit, remaining } = rateLimit;
  const { processing = 0, failed = 0, lastRequestAt = null } = activeAccounts.value.get(key) ?? {};
  return (
    <span class="account-row">
      <span class="clip">
        <bdi class="mono">{key}</bdi>
        {revoked && <span class="mark fault">revoked</span>}
      </span>
      <Count value={processing} unit="running" isRunning />
      <Count value={failed} unit="failed" />
      <VerdictSummary account={account} isUsed={lastRequestAt !== null} />
      <span class="clip quiet">{lastRequestAt === null ? 'never' : <Ago timestamp={lastRequestAt} />}</span>
      <span class="number">
        {formatNumber(credits)} <span class="unit">credits</span>
      </span>
      <span class="number">
        {limit === null ? 'no limit' : `${formatNumber(remaining ?? 0)} of ${formatNumber(limit)}`}
      </span>
      <span>{clock.mode}</span>
      <span class="quiet number">
        {clock.mode === 'real' ? <TickingTime account={account} /> : formatDateTime(clock.now)}
      </span>
    </span>
  );
}

/** A number whose unit is only visible where no column header is. */
const Count = ({ value, unit, isRunning = false }: { value: number; unit: string; isRunning?: boolean }) => (
  <span class={`number ${value === 0 ? 'quiet zero' : isRunning ? 'running' : 'bad'}`}>
    {formatNumber(value)} <span class="unit">{unit}</span>
  </span>
);

const Ago = ({ timestamp }: { timestamp: string }) => <>{formatAgo(msSince(timestamp))}</>;

/** Whether a balancer is in front of this emulator: the key decides which node gets requests, not this console. */
const isClusterNode = /\/nodes\/[^/]+$/.test(ORIGIN);

const NewAccount = () => (
  <FormPopover
    button="New account …"
    label="Create an account"
    submit="Create"
    do={async ({ key, credits, clock }) => {
      const body = { key, clock, credits: credits === undefined ? undefined : Number(credits) };
      const created = await requestJson<Account>('POST', '__admin/accounts', body);
      navigate(accountHref(created.key));
      return `Account ${created.key} created.`;
    }}
  >
    <Field
      label="Key"
      name="key"
      maxLength={200}
      placeholder="generated if empty"
      {...(isClusterNode && { hint: `Clients reach it only at ${ORIGIN}, not through the balancer.` })}
    />
    <Field label="Credits" name="credits" type="number" min={0} placeholder="1000" />
    <SelectField label="Clock" name="clock" options={['real', 'frozen', 'auto']} />
  </FormPopover>
);

const TickingTime = ({ account }: { account: Account }) => (
  <>{formatDateTime(toIsoString(accountTimeMs(account, tickMs())))}</>
);
