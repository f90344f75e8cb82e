import { CopyButton } from '../components/buttons.tsx';
import { quickstart } from '../state/accounts.ts';

/** What to do when nothing has been asked for yet. */
export function FirstRun({ accountKey }: { accountKey: string }) {
  const { settings, request } = quickstart(accountKey);
  return (
    <div class="first-run">
      <h2>No requests yet</h2>
      <p>Point your client here. Where it reads its settings from the environment, this line is all:</p>
      <Line text={settings} />
      <p>Or make a first video by hand, and watch it here:</p>
      <Line text={request} />
      <p class="quiet">
        Any key that starts with <code>np_test_</code> makes an account of its own, unless that is switched off. All
        calls are at <a href="docs">docs</a>.
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
