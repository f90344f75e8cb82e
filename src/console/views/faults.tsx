import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Fault } from '../../client/types.ts';
import { ConfirmButton, Field, FormPopover } from '../components/buttons.tsx';
import type { AccountState } from '../state/account.ts';
import { accountPath, requestAction, requestJson } from '../state/api.ts';
import { listen } from '../state/event-stream.ts';
import { createResource } from '../state/resource.ts';
import { scheduleEvery } from '../time.ts';
import { FaultForm } from './fault-form.tsx';

const SHARED_FAULTS_PATH = '__admin/faults';
const REFRESH_INTERVAL_MS = 3000;
const sharedFaults = createResource<{ faults: Fault[] }>(`${SHARED_FAULTS_PATH}?limit=1000`);
const isSubscribed = signal(false);

/** Keeps the shared rules up to date, from the first time that they are shown. */
function subscribeShared(): void {
  if (isSubscribed.peek()) return;
  isSubscribed.value = true;
  // While one account is watched, rules that fire for others cause no events.
  scheduleEvery(REFRESH_INTERVAL_MS, sharedFaults.refresh);
  listen({
    onResync: sharedFaults.refresh,
    onEvent: ({ type, key, change }) => {
      if (type === 'fault' || change === 'reset' || (key === null && change === 'faults')) sharedFaults.refresh();
    },
  });
}

export function FaultsView({ state }: { state: AccountState }) {
  const faultsPath = accountPath(state.key, '/faults');
  return (
    <section class="sheet" aria-label="Faults">
      <FaultForm path={faultsPath} target="this account" />
      <FaultList title="Rules for this account" path={faultsPath} faults={state.faults.value.value?.faults} />
      <SharedRules />
      <FailureRate state={state} />
    </section>
  );
}

function FailureRate({ state }: { state: AccountState }) {
  return (
    <section aria-label="Failure rate">
      <h2>Failure rate</h2>
      <p class="quiet">Share of this account's tasks that fail without a rule: {state.account.value?.failureRate}</p>
      <FormPopover
        button="Set failure rate …"
        label="Set the failure rate"
        submit="Set failure rate"
        do={async ({ rate }) => {
          await requestJson('PATCH', accountPath(state.key), { failureRate: Number(rate) });
          return `Failure rate: ${rate}.`;
        }}
      >
        <Field
          label="Failure rate"
          name="rate"
          type="number"
          required
          min={0}
          max={1}
          step="any"
          hint="A number from 0 to 1: with 0, no task fails; with 1, every task fails."
        />
      </FormPopover>
    </section>
  );
}

export function SharedFaultsView() {
  return (
    <main class="page">
      <h1>Faults for all accounts</h1>
      <section class="sheet" aria-label="Faults for all accounts">
        <FaultForm path={SHARED_FAULTS_PATH} target="all accounts" />
        <SharedRules />
      </section>
    </main>
  );
}

function SharedRules() {
  useEffect(subscribeShared, []);
  return (
    <FaultList title="Rules for all accounts" path={SHARED_FAULTS_PATH} faults={sharedFaults.value.value?.faults} />
  );
}

function FaultList({ title, path, faults }: { title: string; path: string; faults: Fault[] | undefined }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {faults?.length === 0 && <p class="quiet">No rules.</p>}
      <ul class="rules">
        {faults?.map((fault) => (
          <li key={fault.id}>
            <div>
              <p>
                {describeFault(fault).map((part, index) => (
                  <span key={part}>
                    {index > 0 && ' · '}
                    <bdi>{part}</bdi>
                  </span>
                ))}
              </p>
              <p class="quiet">
                rule {fault.id} · {describeFired(fault.fired)}
                {fault.times !== undefined && fault.fired >= fault.times && ' · used up'}
              </p>
            </div>
            <ConfirmButton
              target={`rule ${fault.id}`}
              do={() => requestAction('DELETE', `${path}/${encodeURIComponent(fault.id)}`, `Rule ${fault.id} removed.`)}
            >
              Remove
            </ConfirmButton>
          </li>
        ))}
      </ul>
      {faults !== undefined && faults.length > 1 && (
        <ConfirmButton
          target={title.charAt(0).toLowerCase() + title.slice(1)}
          do={() => requestAction('DELETE', path, 'All rules removed.')}
        >
          Remove all
        </ConfirmButton>
      )}
    </section>
  );
}

const describeFired = (count: number) =>
  count === 0 ? 'has not fired yet' : count === 1 ? 'has fired once' : `has fired ${count} times`;

/** Describes a rule as phrases, to be joined. */
function describeFault({ at, effect, match, times, after, probability }: Fault): string[] {
  const effectTexts = Object.entries(effect).map(([name, value]) =>
    value === true ? name : `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  const matchTexts = Object.entries(match).map(([name, value]) => `${name} ${value}`);
  return [
    `at ${at}: ${effectTexts.join(', ')}`,
    matchTexts.length > 0 ? `where ${matchTexts.join(', ')}` : 'all requests',
    ...(times === undefined ? [] : [times === 1 ? 'once' : `${times} times`]),
    ...(after ? [`skips the first ${after}`] : []),
    ...(probability === undefined ? [] : [`with probability ${probability}`]),
  ];
}
