import { effect } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { followAccounts } from './control/accounts.ts';
import { isTokenWanted, tryToken } from './control/call.ts';
import { contract, readContract } from './control/contract.ts';
import { connection, follow, trouble, watch } from './control/live.ts';
import { Field, Form } from './parts/controls.tsx';
import { Notice } from './parts/notice.tsx';
import { route } from './route.ts';
import { Account } from './views/account.tsx';
import { Accounts } from './views/accounts.tsx';
import { SharedFaults } from './views/faults.tsx';

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
      {connection.value === 'lost' && !isTokenWanted.value && (
        <p class="finding top-finding">{trouble.value?.message ?? 'The connection is gone; trying again.'}</p>
      )}
      {isTokenWanted.value ? <TokenForm /> : <View />}
      <Notice />
    </>
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
          await tryToken(token);
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
  watch(shown.view === 'account' ? shown.key : undefined);
});
void follow();
render(<Page />, document.getElementById('app')!);
