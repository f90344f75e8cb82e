import { effect } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Field, Form } from './components/buttons.tsx';
import { Toast } from './components/toast.tsx';
import { accountHref, route } from './route.ts';
import { followAccounts } from './state/accounts.ts';
import { type ApiError, accountPath, isTokenRequired, ORIGIN, tryToken } from './state/api.ts';
import { contract, readContract } from './state/contract.ts';
import { connection, connectionError, runEventStream, watchAccount } from './state/event-stream.ts';
import { Account } from './views/account.tsx';
import { Accounts } from './views/accounts.tsx';
import { SharedFaults } from './views/faults.tsx';

/** Nothing that could be shown would ever come. */
const BLOCKING_CODES = ['LOOPBACK_ONLY', 'FOREIGN_HOST', 'FOREIGN_PAGE', 'NODE_REQUIRED'];

const CONNECTION_LABELS = { connecting: 'connecting', live: 'live', lost: 'not connected' };

function Page() {
  const currentRoute = route.value;
  return (
    <>
      <header class="top">
        <a class="brand" href="#/">
          nanophoto-emulator
        </a>
        <nav aria-label="Pages">
          <a href="#/" aria-current={currentRoute.view === 'accounts' ? 'page' : undefined}>
            Accounts
          </a>
          <a href="#/faults" aria-current={currentRoute.view === 'faults' ? 'page' : undefined}>
            Faults
          </a>
          <a href="docs">Docs</a>
        </nav>
        <span class={`connection ${connection.value}`}>{CONNECTION_LABELS[connection.value]}</span>
      </header>
      <Content />
      <Toast />
    </>
  );
}

function Content() {
  if (isTokenRequired.value) return <TokenForm />;
  const error = connection.value === 'live' ? undefined : connectionError.value;
  if (error && BLOCKING_CODES.includes(error.code)) return <AccessDenied error={error} />;
  return (
    <>
      {connection.value === 'lost' && (
        <p class="finding top-finding">{error?.message ?? 'The connection is gone; trying again.'}</p>
      )}
      <View />
    </>
  );
}

function AccessDenied({ error: { code, message } }: { error: ApiError }) {
  return (
    <main class="page">
      <h1>The control plane is closed to this page</h1>
      <p class="finding">{message}</p>
      {code === 'NODE_REQUIRED' && (
        <p>
          Each of the emulators has a console of its own: <a href="nodes/1/console">the first one’s</a>,{' '}
          <a href="nodes/2/console">the second one’s</a>, and so on. One account can be looked at here, by its address:{' '}
          <code>{`${ORIGIN}/console${accountHref('KEY')}`}</code>
        </p>
      )}
    </main>
  );
}

function View() {
  const currentRoute = route.value;
  // What has been read without a token is as good as nothing.
  useEffect(() => {
    if (!contract.peek()) readContract().catch(() => {});
  }, []);
  switch (currentRoute.view) {
    case 'accounts':
      return <Accounts />;
    case 'faults':
      return <SharedFaults />;
    case 'account':
      return <Account accountKey={currentRoute.key} tab={currentRoute.tab} id={currentRoute.id} />;
  }
}

function TokenForm() {
  const root = useRef<HTMLElement>(null);
  useEffect(() => root.current?.querySelector('input')?.focus(), []);
  return (
    <main class="page" ref={root}>
      <h1>This emulator wants its admin token</h1>
      <p>It is the one that it was started with: --admin-token. It is kept for this tab alone.</p>
      <Form
        label="The admin token"
        submit="Go on"
        do={async ({ token = '' }) => {
          const currentRoute = route.peek();
          await tryToken(
            token,
            currentRoute.view === 'account' ? accountPath(currentRoute.key) : '__admin/accounts?limit=1',
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
  const currentRoute = route.value;
  document.title = `${currentRoute.view === 'account' ? `${currentRoute.key} ${currentRoute.tab}` : currentRoute.view} · nanophoto-emulator`;
  watchAccount(currentRoute.view === 'account' ? currentRoute.key : undefined);
});
void runEventStream();
render(<Page />, document.getElementById('app')!);
