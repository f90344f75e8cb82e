import { useEffect, useState } from 'preact/hooks';
import type { Fault, FaultDetails } from '../../../client/types.ts';
import { formatDateTime } from '../../components/format.ts';
import { Path } from '../../components/path.tsx';
import { accountHref } from '../../route.ts';
import type { AccountState } from '../../state/account.ts';
import { createResource, type Resource } from '../../state/resource.ts';

interface Props {
  /** The account whose requests are linked; undefined: all accounts. */
  state: AccountState | undefined;
  /** The control-plane path of the rules. */
  path: string;
  fault: Fault;
}

/** The requests that came close to a rule and what kept it from firing, read when they are opened. */
export function NearMisses({ state, path, fault }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        Why {fault.fired === 0 ? 'has it not fired' : 'did it not fire more often'}
        <span class="hidden-text"> (rule {fault.id})</span>?
      </summary>
      {isOpen && <NearMissList state={state} path={path} fault={fault} />}
    </details>
  );
}

function NearMissList({ state, path, fault }: Props) {
  const [resource, setResource] = useState<Resource<FaultDetails>>();
  useEffect(() => {
    const created = createResource<FaultDetails>(`${path}/${encodeURIComponent(fault.id)}`);
    setResource(created);
    return created.stop;
  }, [path, fault.id]);
  const requests = state?.requests.items.value;
  // Requests that do not make a rule fire have no event of their own.
  useEffect(() => resource?.refresh(), [resource, fault, requests]);
  const nearMisses = resource?.value.value?.nearMisses;
  if (!nearMisses) return <p class="quiet">Loading …</p>;
  if (nearMisses.length === 0) return <p class="quiet">No request has come close to this rule.</p>;
  return (
    <ul class="plain">
      {nearMisses.toReversed().map(({ requestId, at, path: requestPath, reason }) => {
        const entry = requests?.find((one) => one.requestId === requestId);
        const name = <Path path={requestPath} />;
        return (
          <li key={`${requestId} ${at}`} title={requestId}>
            <span class="quiet">{formatDateTime(at)}</span>{' '}
            {state && entry ? <a href={accountHref(state.key, 'requests', entry.id)}>{name}</a> : name}{' '}
            <bdi>{reason}</bdi>
          </li>
        );
      })}
    </ul>
  );
}
