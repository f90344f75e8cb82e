import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Fault } from '../../../client/types.ts';
import { ConfirmButton, Field, FormPopover } from '../../components/buttons.tsx';
import type { AccountState } from '../../state/account.ts';
import { accountPath, requestAction, requestJson } from '../../state/api.ts';
import { listen } from '../../state/event-stream.ts';
import { isReadOnly } from '../../state/read-only.ts';
import { createResource } from '../../state/resource.ts';
import { scheduleEvery } from '../../time.ts';
import { FaultForm } from './fault-form.tsx';
import { describeRule, type SentencePart } from './fault-sentence.ts';
import { NearMisses } from './near-misses.tsx';

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
    <section class="faults" aria-label="Faults">
      <div class="sheet">
        <FaultList
          title="Rules for this account"
          state={state}
          path={faultsPath}
          faults={state.faults.value.value?.faults}
        />
        <SharedRules state={state} />
        <FailureRate state={state} />
      </div>
      <FaultForm path={faultsPath} target="this account" />
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
        submit="Update"
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
      <section class="faults" aria-label="Faults for all accounts">
        <div class="sheet">
          <SharedRules />
        </div>
        <FaultForm path={SHARED_FAULTS_PATH} target="all accounts" />
      </section>
    </main>
  );
}

function SharedRules({ state }: { state?: AccountState }) {
  useEffect(subscribeShared, []);
  return (
    <FaultList
      title="Rules for all accounts"
      state={state}
      path={SHARED_FAULTS_PATH}
      faults={sharedFaults.value.value?.faults}
    />
  );
}

interface FaultListProps {
  title: string;
  /** The account that is open; undefined: all accounts. */
  state: AccountState | undefined;
  path: string;
  faults: Fault[] | undefined;
}

function FaultList({ title, state, path, faults }: FaultListProps) {
  return (
    <section aria-label={title}>
      <div class="rules-head">
        <h2>{title}</h2>
        {faults !== undefined && faults.length > 1 && (
          <ConfirmButton
            target={title.charAt(0).toLowerCase() + title.slice(1)}
            do={() => requestAction('DELETE', path, 'All rules removed.')}
          >
            Clear
          </ConfirmButton>
        )}
      </div>
      {faults === undefined && <p class="quiet">Loading …</p>}
      {faults?.length === 0 && (
        <p class="quiet">
          {isReadOnly() ? 'No rules.' : 'No rules. Create one to see how a client copes with a fault.'}
        </p>
      )}
      <ul class="rules">
        {faults?.map((fault) => (
          <li key={fault.id} class={isUsedUp(fault) ? 'used-up' : undefined}>
            <div>
              <p>{describeRule(fault).map(toElement)}</p>
              <p class="quiet">
                rule {fault.id} · {describeFired(fault.fired)}
                {isUsedUp(fault) && ' · used up'}
              </p>
              <NearMisses state={state} path={path} fault={fault} />
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
    </section>
  );
}

const describeFired = (count: number) =>
  count === 0 ? 'has not fired yet' : count === 1 ? 'has fired once' : `has fired ${count} times`;

const isUsedUp = ({ times, fired }: Fault) => times !== undefined && fired >= times;

const toElement = (part: SentencePart) => (typeof part === 'string' ? part : <bdi class="quoted">{part.quoted}</bdi>);
