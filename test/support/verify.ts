import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectEmulator } from '../../src/client/connect.ts';
import type { Exchange, Target } from '../../src/conformance/case-context.ts';
import { allCases } from '../../src/conformance/cases/index.ts';
import { createContractValidator } from '../../src/conformance/contract-validator.ts';
import { runCases } from '../../src/conformance/runner.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { readSamples } from '../../src/openapi/wire-samples.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';

let loaded: ReturnType<typeof createContract> | undefined;

/** All conformance cases, from the OpenAPI document in the repository. */
export const loadContract = () => {
  loaded ??= createContract();
  return loaded;
};

/** Creates all conformance cases, from the OpenAPI document in the repository after a change. */
export function createContract(changeDocument: (document: Json) => void = () => {}) {
  const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'));
  changeDocument(document);
  const validator = createContractValidator(document);
  return {
    document,
    validator,
    cases: allCases(validator, readSamples(join(FIXTURES_DIR, 'wire'))),
  };
}

interface VerifyServerOptions {
  /** Do not use a control plane, and spend at most these credits. */
  spend?: number;
  key?: string;
  only?: (caseId: string) => boolean;
  contract?: ReturnType<typeof createContract>;
}

/** Checks a server as `verify` does. */
export async function verifyServer(
  url: string,
  { spend, key, only = () => true, contract = loadContract() }: VerifyServerOptions = {},
) {
  const { cases, validator } = contract;
  const exchanges: Exchange[] = [];
  const target: Target = {
    url,
    key,
    control: spend === undefined ? connectEmulator(url) : undefined,
    budget: { left: spend ?? 0, spent: 0 },
    patienceMs: 60_000,
    pollEveryMs: 10_000,
    sleep: async () => {},
    getFourSecondVideo: () => readFileSync(join(FIXTURES_DIR, 'videos/480x848-4s.mp4')),
    onExchange: (exchange) => void exchanges.push(exchange),
  };
  const outcomes = await runCases(
    cases.filter(({ id }) => only(id)),
    target,
    validator,
  );
  return { outcomes, exchanges, spent: target.budget.spent };
}
