import { CopyButton } from '../components/buttons.tsx';
import { quickstart } from '../state/accounts.ts';

/** Explains how to send the first request. */
export function FirstRun({ accountKey }: { accountKey: string }) {
  const { settings, request } = quickstart(accountKey);
  return (
    <div class="first-run">
      <h2>No requests yet</h2>
      <p>Point your client at this emulator. If it reads its settings from the environment, use this line:</p>
      <Line text={settings} />
      <p>Or create a first video by hand and watch it here:</p>
      <Line text={request} />
      <p class="quiet">
        Any key that starts with <code>np_test_</code> gets its own account, unless auto-created accounts are switched
        off. All endpoints are in the <a href="docs">API reference</a>.
      </p>
    </div>
  );
}

function Line({ text }: { text: string }) {
  return (
    <div class="line">
      <code>{text}</code>
      <CopyButton text={() => text} label="Copy this line">
        Copy
      </CopyButton>
    </div>
  );
}
