import { useState } from 'preact/hooks';
import type { Fault, Stage } from '../../../client/types.ts';
import { Field, Form, SelectField } from '../../components/buttons.tsx';
import { requestJson } from '../../state/api.ts';
import { type Contract, contract } from '../../state/contract.ts';

const STAGE_LABELS: Record<Stage, string> = {
  request: 'request – before validation',
  charge: 'charge – before credits are held',
  accepted: 'accepted – charged, but the response is lost',
  task: 'task – the outcome of the task',
  stream: 'stream – in the middle of a text',
  media: 'media – when a result file is fetched',
};
const EFFECT_LABELS: Record<string, string> = {
  errorCode: 'documented error',
  fail: 'failure',
  hang: 'hang',
  durationMs: 'duration',
  delayMs: 'delay',
  reset: 'connection reset',
  empty: 'connection closed without a response',
  truncateAfter: 'truncated response',
  malformed: 'malformed JSON',
  answer: 'canned response',
};
const ANY = '';

/** Builds the `effect` of a fault rule from the fields of the form. */
function toEffect(name: string, fields: Record<string, string>): object {
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

const toOptionalNumber = (text: string | undefined) => (text === undefined ? undefined : Number(text));

/**
 * A form that creates a fault rule. Offers the effects that are possible at each stage and the codes that the endpoint
 * documents. The fields for `contains` and `after` have other names, because a form exposes its fields as properties,
 * which would hide its DOM methods `contains` and `after`.
 */
export function FaultForm({ path, target }: { path: string; target: string }) {
  const loadedContract = contract.value;
  const [at, setAt] = useState<Stage>('request');
  const [effect, setEffect] = useState('errorCode');
  const [family, setFamily] = useState(ANY);
  const [endpoint, setEndpoint] = useState(ANY);
  if (!loadedContract) return <p class="quiet">Loading …</p>;

  const effects = loadedContract.effects[at].filter((name) => name in EFFECT_LABELS);
  const selectedEffect = effects.includes(effect) ? effect : effects[0]!;
  const endpoints = loadedContract.endpoints.filter((one) => family === ANY || one.family === family);
  return (
    <section class="sheet" aria-label="New rule">
      <h2>New rule for {target}</h2>
      <Form
        label={`New rule for ${target}`}
        submit="Create rule"
        // `fields` only has the fields that are shown: values chosen in hidden fields do not become part of the rule.
        do={async ({ bodyContains: contains, times, afterCount, probability, ...fields }) => {
          const match = { family: fields.family, endpoint: fields.endpoint, contains };
          const rule = {
            ...{ at, effect: toEffect(selectedEffect, fields), match },
            times: toOptionalNumber(times),
            after: toOptionalNumber(afterCount),
            probability: toOptionalNumber(probability),
          };
          const { id } = await requestJson<Fault>('POST', path, rule);
          return `Rule ${id} created for ${target}.`;
        }}
      >
        <fieldset>
          <legend>Fault</legend>
          <SelectField
            label="Stage"
            name="at"
            value={at}
            options={(Object.keys(loadedContract.effects) as Stage[]).map((stage) => [
              stage,
              STAGE_LABELS[stage] ?? stage,
            ])}
            onChange={(value) => setAt(value as Stage)}
          />
          <SelectField
            label="Effect"
            name="effect"
            value={selectedEffect}
            options={effects.map((name) => [name, EFFECT_LABELS[name]!])}
            onChange={setEffect}
          />
          <EffectFields
            key={`${at} ${selectedEffect}`}
            name={selectedEffect}
            usualCode={USUAL_CODES[at] ?? USUAL_CODE}
            codes={codesFor(loadedContract, endpoints, endpoint)}
            hasStatus={loadedContract.effects[at].includes('status')}
          />
        </fieldset>
        <fieldset>
          <legend>Requests</legend>
          <SelectField
            label="Family"
            name="family"
            value={family}
            options={[[ANY, 'all'], ...loadedContract.families]}
            onChange={(value) => {
              setFamily(value);
              setEndpoint(ANY);
            }}
          />
          {at !== 'media' && (
            <SelectField
              label="Endpoint"
              name="endpoint"
              value={endpoint}
              options={[[ANY, 'all'], ...endpoints.map((one) => one.path)]}
              onChange={setEndpoint}
            />
          )}
          <Field label="Body contains" name="bodyContains" maxLength={1000} />
        </fieldset>
        <fieldset class="counts">
          <legend>Frequency</legend>
          <Field label="Times" name="times" type="number" min={1} placeholder="always" />
          <Field label="Skip first" name="afterCount" type="number" min={0} placeholder="0" />
          <Field label="Probability" name="probability" type="number" min={0} max={1} step="any" placeholder="1" />
        </fieldset>
      </Form>
    </section>
  );
}

/** The codes to offer first: those that a client must expect of every endpoint. */
const USUAL_CODES: Partial<Record<Stage, string>> = { task: 'GENERATION_FAILED' };
const USUAL_CODE = 'INTERNAL_ERROR';

function codesFor({ codes }: Contract, endpoints: Contract['endpoints'], endpoint: string): string[] {
  const matching = endpoint === ANY ? endpoints : endpoints.filter((one) => one.path === endpoint);
  const documented = new Set(matching.flatMap((one) => one.codes.map(({ code }) => code)));
  return codes.filter((code) => documented.has(code));
}

interface EffectProps {
  name: string;
  codes: string[];
  /** The code that is selected at first, if the endpoint documents it. */
  usualCode: string;
  /** Whether the code is sent in a response, so that its status can be set. */
  hasStatus: boolean;
}

function EffectFields({ name, codes, usualCode, hasStatus }: EffectProps) {
  switch (name) {
    case 'errorCode':
      return (
        <>
          <SelectField label="Code" name="errorCode" value={usualCode} options={codes} />
          {hasStatus && (
            <Field label="Status" name="status" type="number" min={400} max={599} placeholder="as documented" />
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
