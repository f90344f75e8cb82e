import type { Account } from '../../client/types.ts';
import { ActionButton, ConfirmButton, Field, Form } from '../components/buttons.tsx';
import { formatDateTime } from '../components/format.ts';
import { accountHref, navigate } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { accountPath, requestAction, requestJson } from '../state/api.ts';
import { isReadOnly } from '../state/read-only.ts';

/** The tab for snapshots, forks and resets of an account. */
export function SnapshotsView({ state }: { state: AccountState }) {
  const { key } = state;
  if (isReadOnly()) return <p class="quiet">A file has no snapshots.</p>;
  const snapshots = state.snapshots.value.value?.snapshots;
  const restorePath = (name: string) => accountPath(key, `/snapshots/${encodeURIComponent(name)}/restore`);
  return (
    <section class="sheet" aria-label="States">
      <h2>Snapshots</h2>
      <p class="quiet">A snapshot saves credits, ledger, tasks, clock, rate limit and faults under a name.</p>
      <ul class="rules">
        {snapshots?.map(({ name, at: takenAt }) => (
          <li key={name}>
            <p>
              <strong>{name}</strong> <span class="quiet">{formatDateTime(takenAt)}</span>
            </p>
            <ConfirmButton
              target={name}
              do={() => requestAction('POST', restorePath(name), `Snapshot ${name} restored.`)}
            >
              Restore
            </ConfirmButton>
          </li>
        ))}
      </ul>
      {snapshots?.length === 0 && <p class="quiet">No snapshots.</p>}
      <Form
        label="Take a snapshot"
        submit="Take a snapshot"
        do={({ name }) => requestAction('POST', accountPath(key, '/snapshots'), `Snapshot ${name} taken.`, { name })}
      >
        <Field label="Name" name="name" required pattern="[A-Za-z0-9._\-]+" maxLength={100} />
      </Form>
      <h2>Fork</h2>
      <p class="quiet">Copies the account to a new key, without its journal and snapshots. The copy is independent.</p>
      <Form
        label="Fork this account"
        submit="Fork"
        do={async ({ to }) => {
          const fork = await requestJson<Account>('POST', accountPath(key, '/fork'), { to });
          navigate(accountHref(fork.key));
          return `Forked to ${fork.key}.`;
        }}
      >
        <Field label="New key" name="to" required maxLength={200} />
      </Form>
      <h2>Reset and removal</h2>
      <p class="quiet">
        A reset returns the account to its initial state, deletes its journal, faults and snapshots, and aborts its
        requests in progress.
      </p>
      <div class="actions">
        <ConfirmButton do={() => requestAction('POST', accountPath(key, '/reset'), 'Account reset.')}>
          Reset this account
        </ConfirmButton>
        <ActionButton
          do={async () => {
            const { revoked } = await requestJson<Account>('PATCH', accountPath(key), {
              revoked: !state.account.peek()?.revoked,
            });
            return revoked ? 'Key revoked: its requests get a 401.' : 'Key reinstated.';
          }}
        >
          {state.account.value?.revoked ? 'Reinstate the key' : 'Revoke the key'}
        </ActionButton>
        <ConfirmButton
          do={async () => {
            await requestJson('DELETE', accountPath(key));
            navigate('#/');
            return `Account ${key} removed.`;
          }}
        >
          Remove this account
        </ConfirmButton>
      </div>
    </section>
  );
}
