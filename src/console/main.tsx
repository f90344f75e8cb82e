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
import { isReadOnly, readOnlyPath } from './state/read-only.ts';
import { AccountView } from './views/account.tsx';
import { AccountsView } from './views/accounts.tsx';
import { SharedFaultsView } from './views/faults/faults.tsx';

/** Codes with which the control plane rejects every request of this page; the page then shows only the reason. */
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
        {isReadOnly() && (
          <span class="mark read-only">
            read-only: from <bdi>{readOnlyPath.value}</bdi>
          </span>
        )}
        {/* Nothing changes in a read-only emulator, so "live" would be misleading. */}
        {!(isReadOnly() && connection.value === 'live') && (
          <span class={`connection ${connection.value}`}>{CONNECTION_LABELS[connection.value]}</span>
        )}
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
        <p class="finding top-finding">{error?.message ?? 'Connection lost. Retrying …'}</p>
      )}
      <CurrentView />
    </>
  );
}

function AccessDenied({ error: { code, message } }: { error: ApiError }) {
  return (
    <main class="page">
      <h1>No access to the control plane</h1>
      <p class="finding">{message}</p>
      {code === 'NODE_REQUIRED' && (
        <p>
          Each node has its own console: <a href="nodes/1/console">node 1</a>, <a href="nodes/2/console">node 2</a>, and
          so on. To open a single account here, use its address: <code>{`${ORIGIN}/console${accountHref('KEY')}`}</code>
        </p>
      )}
    </main>
  );
}

function CurrentView() {
  const currentRoute = route.value;
  useEffect(() => {
    if (!contract.peek()) readContract().catch(() => {});
  }, []);
  switch (currentRoute.view) {
    case 'accounts':
      return <AccountsView />;
    case 'faults':
      return <SharedFaultsView />;
    case 'account':
      return <AccountView accountKey={currentRoute.key} tab={currentRoute.tab} id={currentRoute.id} />;
  }
}

function TokenForm() {
  const root = useRef<HTMLElement>(null);
  useEffect(() => root.current?.querySelector('input')?.focus(), []);
  return (
    <main class="page" ref={root}>
      <h1>Admin token required</h1>
      <p>Enter the token that was set by --admin-token or printed at the start. It is stored for this tab only.</p>
      <Form
        label="Admin token"
        submit="Continue"
        isRead
        do={async ({ token = '' }) => {
          const currentRoute = route.peek();
          await tryToken(
            token,
            currentRoute.view === 'account' ? accountPath(currentRoute.key) : '__admin/accounts?limit=1',
          );
          return 'Token accepted.';
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
  const isAccount = currentRoute.view === 'account';
  const title = isAccount ? `${currentRoute.key} ${currentRoute.tab}` : currentRoute.view;
  document.title = `${title} · nanophoto-emulator`;
  watchAccount(isAccount ? currentRoute.key : undefined);
});
void runEventStream();
render(<Page />, document.getElementById('app')!);
