import { useState } from 'preact/hooks';
import type { Fault, Stage } from '../../client/types.ts';
import { Choice, Field, Form } from '../components/buttons.tsx';
import { call } from '../state/api.ts';
import { type Contract, contract } from '../state/contract.ts';

const STAGES: Record<Stage, string> = {
  request: 'request – before anything is checked',
  charge: 'charge – before credits are held',
  accepted: 'accepted – charged, then the answer is lost',
  task: 'task – what becomes of the task',
  stream: 'stream – in the middle of a text',
  media: 'media – when a result is fetched',
};
const EFFECTS: Record<string, string> = {
  errorCode: 'a documented error',
  fail: 'fails',
  hang: 'hangs for ever',
  durationMs: 'takes a given time',
  delayMs: 'is late',
  reset: 'connection reset',
  empty: 'connection closed, no answer',
  truncateAfter: 'cut after some bytes',
  malformed: 'answer is no JSON',
  answer: 'another answer in full',
};
const ANY = '';

/** What a rule does with the fields of its effect. */
function effectOf(name: string, fields: Record<string, string>): object {
  const amount = Number(fields.amount);
  switch (name) {
    case 'errorCode':
      return { errorCode: fields.errorCode, ...(fields.status && { status: Number(fields.status) }) };
    case 'durationMs':
    case 'delayMs':
    case 'truncateAfter':
      return { [name]: amount };
    case 'answer':
      return {
        answer: { status: Number(fields.status), text: fields.text ?? '', contentType: fields.contentType },
      };
    default:
      return { [name]: true };
  }
}

const numberOr = (text: string | undefined) => (text === undefined ? undefined : Number(text));

/**
 * Sets a rule. It knows what can go wrong when, and the codes that the endpoint documents. A form has its fields by their names:
 * `contains` and `after` would stand where its own methods are looked for.
 */
export function FaultForm({ path, of }: { path: string; of: string }) {
  const known = contract.value;
  const [at, setAt] = useState<Stage>('request');
  const [effect, setEffect] = useState('errorCode');
  const [family, setFamily] = useState(ANY);
  const [endpoint, setEndpoint] = useState(ANY);
  if (!known) return <p class="quiet">Loading …</p>;

  const effects = known.effects[at].filter((name) => name in EFFECTS);
  const chosen = effects.includes(effect) ? effect : effects[0]!;
  const endpoints = known.endpoints.filter((one) => family === ANY || one.family === family);
  return (
    <Form
      label={`A new rule for ${of}`}
      submit="Set this rule"
      // What has been chosen where it is not offered any more is no part of the rule.
      do={async ({ bodyContains: contains, times, afterCount, probability, ...fields }) => {
        const match = { family: fields.family, endpoint: fields.endpoint, contains };
        const rule = {
          ...{ at, effect: effectOf(chosen, fields), match },
          ...{ times: numberOr(times), after: numberOr(afterCount), probability: numberOr(probability) },
        };
        const { id } = await call<Fault>('POST', path, rule);
        return `Rule ${id} is set for ${of}.`;
      }}
    >
      <fieldset>
        <legend>What goes wrong</legend>
        <Choice
          label="When"
          name="at"
          value={at}
          options={(Object.keys(known.effects) as Stage[]).map((stage) => [stage, STAGES[stage] ?? stage])}
          onChange={(value) => setAt(value as Stage)}
        />
        <Choice
          label="What"
          name="effect"
          value={chosen}
          options={effects.map((name) => [name, EFFECTS[name]!])}
          onChange={setEffect}
        />
        <EffectFields
          key={chosen}
          name={chosen}
          codes={codesOf(known, endpoints, endpoint)}
          hasStatus={known.effects[at].includes('status')}
        />
      </fieldset>
      <fieldset>
        <legend>For which requests</legend>
        <Choice
          label="Family"
          name="family"
          value={family}
          options={[[ANY, 'all'], ...known.families]}
          onChange={(value) => {
            setFamily(value);
            setEndpoint(ANY);
          }}
        />
        {at !== 'media' && (
          <Choice
            label="Endpoint"
            name="endpoint"
            value={endpoint}
            options={[[ANY, 'all'], ...endpoints.map((one) => one.path)]}
            onChange={setEndpoint}
          />
        )}
        <Field label="Whose body contains" name="bodyContains" maxLength={1000} />
      </fieldset>
      <fieldset>
        <legend>How often</legend>
        <Field label="Times" name="times" type="number" min={1} placeholder="always" />
        <Field label="After as many" name="afterCount" type="number" min={0} placeholder="0" />
        <Field
          label="Probability"
          name="probability"
          type="number"
          min={0}
          max={1}
          step="any"
          placeholder="1"
        />
      </fieldset>
    </Form>
  );
}

function codesOf({ codes }: Contract, endpoints: Contract['endpoints'], endpoint: string): string[] {
  const some = endpoint === ANY ? endpoints : endpoints.filter((one) => one.path === endpoint);
  const own = new Set(some.flatMap((one) => one.codes.map(({ code }) => code)));
  return codes.filter((code) => own.has(code));
}

interface EffectProps {
  name: string;
  codes: string[];
  /** Whether it is an answer that the code stands in. */
  hasStatus: boolean;
}

function EffectFields({ name, codes, hasStatus }: EffectProps) {
  switch (name) {
    case 'errorCode':
      return (
        <>
          <Choice label="Code" name="errorCode" options={codes} />
          {hasStatus && (
            <Field
              label="Status"
              name="status"
              type="number"
              min={400}
              max={599}
              placeholder="as documented"
            />
          )}
        </>
      );
    case 'durationMs':
      return <Field label="Simulated milliseconds" name="amount" type="number" min={1} required />;
    case 'delayMs':
      return <Field label="Milliseconds" name="amount" type="number" min={0} required />;
    case 'truncateAfter':
      return <Field label="Bytes" name="amount" type="number" min={0} required />;
    case 'answer':
      return (
        <>
          <Field label="Status" name="status" type="number" min={200} max={599} required defaultValue="502" />
          <Field label="Content type" name="contentType" required defaultValue="text/html" />
          <Field label="Text" name="text" />
        </>
      );
    default:
      return null;
  }
}
