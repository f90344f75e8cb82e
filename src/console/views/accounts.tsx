import { useMemo, useState } from 'preact/hooks';
import type { Account } from '../../client/types.ts';
import { Choice, Danger, Field, Form, Pop } from '../components/buttons.tsx';
import { counted, dayAndTime, grouped, isoOf } from '../components/format.ts';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, goTo } from '../route.ts';
import { accounts, active, isUsed, nowFor, strangers } from '../state/accounts.ts';
import { call, ORIGIN } from '../state/api.ts';
import { beatingMs } from '../time.ts';
import { FirstRun } from './first-run.tsx';

const ROW_PX = 48;
const FIRST_KEY = 'np_test_default';

export function Accounts() {
  const all = accounts.items.value;
  const [wanted, setWanted] = useState('');
  const shown = useMemo(() => {
    const text = wanted.toLowerCase();
    // Those that tests have just made are looked for most.
    return all
      .filter(({ key }) => key.toLowerCase().includes(text))
      .sort((one, other) => compare(secondOf(other), secondOf(one)) || compare(one.key, other.key));
  }, [all, wanted]);
  const first = all.find(({ key }) => key === FIRST_KEY)?.key ?? all[0]?.key ?? FIRST_KEY;
  return (
    <main class="page">
      <h1>Accounts</h1>
      {isUsed.value === false && <FirstRun accountKey={first} />}
      {strangers.value > 0 && (
        <p class="finding">
          {counted(strangers.value, 'request')} came with no key, or with one that nobody has made, and{' '}
          {strangers.value === 1 ? 'was' : 'were'} 401.
        </p>
      )}
      <div class="filters">
        <input
          type="search"
          aria-label="Find accounts"
          placeholder="Find a key"
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
        <span class="quiet">{counted(shown.length, 'account')}</span>
        <Pop label="New account …">{(close) => <NewAccount onDone={close} />}</Pop>
        <Danger
          do={async () => {
            const { accounts: count } = await call<{ accounts: number }>('POST', '__admin/reset');
            return `Everything is as at the first start: ${counted(count, 'account')}.`;
          }}
        >
          Reset everything
        </Danger>
      </div>
      <div class="account-row head" aria-hidden="true">
        <span>Key</span>
        <span class="number">Credits</span>
        <span class="number">Requests left</span>
        <span>Clock</span>
        <span>Its time (UTC)</span>
      </div>
      <VirtualList
        label="Accounts, newest first"
        items={shown}
        idOf={({ key }) => key}
        rowPx={ROW_PX}
        onOpen={({ key }) => goTo(accountHref(key))}
        row={(account) => <Row account={account} />}
        empty={accounts.isWhole.value ? 'No account is called so.' : 'Loading …'}
      />
    </main>
  );
}

/** Those that are made at a start differ by less. */
const secondOf = ({ createdAt }: Account) => createdAt.slice(0, 19);

const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);

function Row({ account }: { account: Account }) {
  const { key, credits, rateLimit, clock, revoked } = account;
  const { limit, remaining } = rateLimit;
  const isLatest = active.value === key;
  return (
    <span class="account-row">
      <span class="clip">
        <bdi class="mono">{key}</bdi>
        {isLatest && <span class="mark live">active</span>}
        {revoked && <span class="mark fault">revoked</span>}
      </span>
      <span class="number">{grouped(credits)}</span>
      <span class="number">
        {limit === null ? 'no limit' : `${grouped(remaining ?? 0)} of ${grouped(limit)}`}
      </span>
      <span>{clock.mode}</span>
      <span class="quiet">
        {clock.mode === 'real' ? <Moving account={account} /> : dayAndTime(clock.now)}
      </span>
    </span>
  );
}

/** Behind a balancer it is the key that decides whose an account is, not the page that it was made on. */
const isOneOfSeveral = /\/nodes\/[^/]+$/.test(ORIGIN);

const NewAccount = ({ onDone }: { onDone: () => void }) => (
  <Form
    label="Make an account"
    submit="Make it"
    onDone={onDone}
    do={async ({ key, credits, clock }) => {
      const body = { key, clock, credits: credits === undefined ? undefined : Number(credits) };
      const made = await call<Account>('POST', '__admin/accounts', body);
      goTo(accountHref(made.key));
      return `${made.key} is there.`;
    }}
  >
    <Field
      label="Key"
      name="key"
      maxLength={200}
      placeholder="is made up"
      {...(isOneOfSeveral && { hint: `Clients reach it at ${ORIGIN}, past the balancer.` })}
    />
    <Field label="Credits" name="credits" type="number" min={0} placeholder="1000" />
    <Choice label="Clock" name="clock" options={['real', 'frozen', 'auto']} />
  </Form>
);

const Moving = ({ account }: { account: Account }) => <>{dayAndTime(isoOf(nowFor(account, beatingMs())))}</>;
