import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Fault } from '../../client/types.ts';
import { Danger } from '../components/buttons.tsx';
import type { AccountState } from '../state/account.ts';
import { accountPath, call } from '../state/api.ts';
import { listen } from '../state/event-stream.ts';
import { createValue } from '../state/resource.ts';
import { every } from '../time.ts';
import { FaultForm } from './fault-form.tsx';

const EVERYBODY = '__admin/faults';
const LOOK_EVERY_MS = 3000;
const shared = createValue<{ faults: Fault[] }>(`${EVERYBODY}?limit=1000`);
const isFollowed = signal(false);

/** Rules for everybody are one list, whoever looks at it. */
function followShared(): void {
  if (isFollowed.peek()) return;
  isFollowed.value = true;
  // Those who listen to one account do not hear of what strikes others.
  every(LOOK_EVERY_MS, shared.refresh);
  listen({
    begin: shared.refresh,
    hear: ({ type, key, change }) => {
      if (type === 'fault' || change === 'reset' || (key === null && change === 'faults')) shared.refresh();
    },
  });
}

export function AccountFaults({ state }: { state: AccountState }) {
  const own = accountPath(state.key, '/faults');
  return (
    <section class="sheet" aria-label="Faults">
      <FaultForm path={own} of="this account" />
      <Rules title="Of this account" path={own} faults={state.faults.value.value?.faults} />
      <SharedRules />
    </section>
  );
}

export function SharedFaults() {
  return (
    <main class="page">
      <h1>Faults for everybody</h1>
      <section class="sheet" aria-label="Faults for everybody">
        <FaultForm path={EVERYBODY} of="everybody" />
        <SharedRules />
      </section>
    </main>
  );
}

function SharedRules() {
  useEffect(followShared, []);
  return <Rules title="For everybody" path={EVERYBODY} faults={shared.value.value?.faults} />;
}

function Rules({ title, path, faults }: { title: string; path: string; faults: Fault[] | undefined }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {faults?.length === 0 && <p class="quiet">None is set.</p>}
      <ul class="rules">
        {faults?.map((fault) => (
          <li key={fault.id}>
            <div>
              <p>
                {described(fault).map((part, place) => (
                  <span key={part}>
                    {place > 0 && ' · '}
                    <bdi>{part}</bdi>
                  </span>
                ))}
              </p>
              <p class="quiet">
                rule {fault.id} · {strikes(fault.fired)}
                {fault.times !== undefined && fault.fired >= fault.times && ' · used up'}
              </p>
            </div>
            <Danger
              of={`rule ${fault.id}`}
              do={async () => {
                await call('DELETE', `${path}/${encodeURIComponent(fault.id)}`);
                return `Rule ${fault.id} is removed.`;
              }}
            >
              Remove
            </Danger>
          </li>
        ))}
      </ul>
      {faults !== undefined && faults.length > 1 && (
        <Danger
          of={title.charAt(0).toLowerCase() + title.slice(1)}
          do={async () => {
            await call('DELETE', path);
            return 'All of them are removed.';
          }}
        >
          Remove all
        </Danger>
      )}
    </section>
  );
}

const strikes = (count: number) =>
  count === 0 ? 'has not struck yet' : count === 1 ? 'has struck once' : `has struck ${count} times`;

/** A rule in words. */
function described({ at, effect, match, times, after, probability }: Fault): string[] {
  const what = Object.entries(effect).map(([name, value]) =>
    value === true ? name : `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  const which = Object.entries(match).map(([name, value]) => `${name} ${value}`);
  return [
    `at ${at}: ${what.join(', ')}`,
    which.length > 0 ? `where ${which.join(', ')}` : 'for every request',
    ...(times === undefined ? [] : [times === 1 ? 'once' : `${times} times`]),
    ...(after ? [`after ${after} have passed`] : []),
    ...(probability === undefined ? [] : [`with probability ${probability}`]),
  ];
}
