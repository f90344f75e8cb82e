import { effect } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Field, Form } from './components/buttons.tsx';
import { Notice } from './components/toast.tsx';
import { accountHref, route } from './route.ts';
import { followAccounts } from './state/accounts.ts';
import { accountPath, isTokenWanted, ORIGIN, type Refusal, tryToken } from './state/api.ts';
import { contract, readContract } from './state/contract.ts';
import { connection, follow, trouble, watch } from './state/event-stream.ts';
import { Account } from './views/account.tsx';
import { Accounts } from './views/accounts.tsx';
import { SharedFaults } from './views/faults.tsx';

/** Nothing that could be shown would ever come. */
const SHUT_OUT = ['LOOPBACK_ONLY', 'FOREIGN_HOST', 'FOREIGN_PAGE', 'NODE_REQUIRED'];

const CONNECTION = { connecting: 'connecting', live: 'live', lost: 'not connected' };

function Page() {
  const shown = route.value;
  return (
    <>
      <header class="top">
        <a class="brand" href="#/">
          nanophoto-emulator
        </a>
        <nav aria-label="Pages">
          <a href="#/" aria-current={shown.view === 'accounts' ? 'page' : undefined}>
            Accounts
          </a>
          <a href="#/faults" aria-current={shown.view === 'faults' ? 'page' : undefined}>
            Faults
          </a>
          <a href="docs">Docs</a>
        </nav>
        <span class={`connection ${connection.value}`}>{CONNECTION[connection.value]}</span>
      </header>
      <Shown />
      <Notice />
    </>
  );
}

function Shown() {
  if (isTokenWanted.value) return <TokenForm />;
  const refusal = connection.value === 'live' ? undefined : trouble.value;
  if (refusal && SHUT_OUT.includes(refusal.code)) return <ShutOut refusal={refusal} />;
  return (
    <>
      {connection.value === 'lost' && (
        <p class="finding top-finding">{refusal?.message ?? 'The connection is gone; trying again.'}</p>
      )}
      <View />
    </>
  );
}

function ShutOut({ refusal: { code, message } }: { refusal: Refusal }) {
  return (
    <main class="page">
      <h1>The control plane is closed to this page</h1>
      <p class="finding">{message}</p>
      {code === 'NODE_REQUIRED' && (
        <p>
          Each of the emulators has a console of its own: <a href="nodes/1/console">the first one’s</a>,{' '}
          <a href="nodes/2/console">the second one’s</a>, and so on. One account can be looked at here, by its
          address: <code>{`${ORIGIN}/console${accountHref('KEY')}`}</code>
        </p>
      )}
    </main>
  );
}

function View() {
  const shown = route.value;
  // What has been read without a token is as good as nothing.
  useEffect(() => {
    if (!contract.peek()) readContract().catch(() => {});
  }, []);
  switch (shown.view) {
    case 'accounts':
      return <Accounts />;
    case 'faults':
      return <SharedFaults />;
    case 'account':
      return <Account accountKey={shown.key} tab={shown.tab} id={shown.id} />;
  }
}

function TokenForm() {
  const box = useRef<HTMLElement>(null);
  useEffect(() => box.current?.querySelector('input')?.focus(), []);
  return (
    <main class="page" ref={box}>
      <h1>This emulator wants its admin token</h1>
      <p>It is the one that it was started with: --admin-token. It is kept for this tab alone.</p>
      <Form
        label="The admin token"
        submit="Go on"
        do={async ({ token = '' }) => {
          const shown = route.peek();
          await tryToken(
            token,
            shown.view === 'account' ? accountPath(shown.key) : '__admin/accounts?limit=1',
          );
          return 'This is the one.';
        }}
      >
        <Field label="Admin token" name="token" type="password" required />
      </Form>
    </main>
  );
}

followAccounts();
effect(() => {
  const shown = route.value;
  document.title = `${shown.view === 'account' ? `${shown.key} ${shown.tab}` : shown.view} · nanophoto-emulator`;
  watch(shown.view === 'account' ? shown.key : undefined);
});
void follow();
render(<Page />, document.getElementById('app')!);
