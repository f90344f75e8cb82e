import type { Account } from '../../client/types.ts';
import { ActionButton, ConfirmButton, Field, Form } from '../components/buttons.tsx';
import { formatDateTime } from '../components/format.ts';
import { accountHref, navigate } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { accountPath, requestJson } from '../state/api.ts';

/** What has been kept of an account, and the ways back. */
export function Snapshots({ state }: { state: AccountState }) {
  const { key } = state;
  const snapshots = state.snapshots.value.value?.snapshots;
  const restorePath = (name: string) => accountPath(key, `/snapshots/${encodeURIComponent(name)}/restore`);
  return (
    <section class="sheet" aria-label="States">
      <h3>Snapshots</h3>
      <p class="quiet">Credits, ledger, tasks, clock, limiter and faults, under a name.</p>
      <ul class="rules">
        {snapshots?.map(({ name, at: takenAt }) => (
          <li key={name}>
            <p>
              <strong>{name}</strong> <span class="quiet">{formatDateTime(takenAt)}</span>
            </p>
            <ConfirmButton
              target={name}
              do={async () => {
                await requestJson('POST', restorePath(name));
                return `The account is as it was at ${name}.`;
              }}
            >
              Restore
            </ConfirmButton>
          </li>
        ))}
      </ul>
      {snapshots?.length === 0 && <p class="quiet">There are none.</p>}
      <Form
        label="Take a snapshot"
        submit="Take a snapshot"
        do={async ({ name }) => {
          await requestJson('POST', accountPath(key, '/snapshots'), { name });
          return `Kept as ${name}.`;
        }}
      >
        <Field label="Name" name="name" required pattern="[A-Za-z0-9._\-]+" maxLength={100} />
      </Form>
      <h3>Fork</h3>
      <p class="quiet">A new account with everything but journal and snapshots. From then on each goes its own way.</p>
      <Form
        label="Fork this account"
        submit="Fork"
        do={async ({ to }) => {
          const fork = await requestJson<Account>('POST', accountPath(key, '/fork'), { to });
          navigate(accountHref(fork.key));
          return `This is ${fork.key}.`;
        }}
      >
        <Field label="New key" name="to" required maxLength={200} />
      </Form>
      <h3>Back to the beginning</h3>
      <p class="quiet">
        A reset brings the account back to how it was made; journal, faults and snapshots go too, and what is under way
        is broken off.
      </p>
      <div class="actions">
        <ConfirmButton
          do={async () => {
            await requestJson('POST', accountPath(key, '/reset'));
            return 'The account is as it was made.';
          }}
        >
          Reset this account
        </ConfirmButton>
        <ActionButton
          do={async () => {
            const { revoked } = await requestJson<Account>('PATCH', accountPath(key), {
              revoked: !state.account.peek()?.revoked,
            });
            return revoked ? 'The key is revoked: it is 401 now.' : 'The key is good again.';
          }}
        >
          {state.account.value?.revoked ? 'Give the key back' : 'Revoke the key'}
        </ActionButton>
        <ConfirmButton
          do={async () => {
            await requestJson('DELETE', accountPath(key));
            navigate('#/');
            return `${key} is removed.`;
          }}
        >
          Remove this account
        </ConfirmButton>
      </div>
    </section>
  );
}
