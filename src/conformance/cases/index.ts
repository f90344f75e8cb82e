import type { WireSample } from '../../openapi/wire-samples.ts';
import type { Case } from '../case-context.ts';
import type { ContractValidator } from '../contract-validator.ts';
import { fieldCases } from './fields.ts';
import { resultCases } from './media.ts';
import { commonCases, defaultCases, failureCases, priceCases, unknownTaskCases } from './prices-and-errors.ts';
import { progressCases } from './progress.ts';
import { sampleCases } from './samples.ts';
import { shotCases } from './shots.ts';
import { streamCases } from './streams.ts';
import { taskCases } from './tasks.ts';
import { textCases } from './texts.ts';
import { uploadCases } from './uploads.ts';

/** Creates every conformance case: from the samples, and from the OpenAPI document of the contract. */
export function allCases(validator: ContractValidator, samples: readonly WireSample[]): Case[] {
  const paths = Object.keys(validator.document.paths);
  const derived = paths.flatMap((path) => [
    ...commonCases(path),
    ...fieldCases(validator, path),
    ...unknownTaskCases(validator, path),
    ...priceCases(validator, path),
    ...defaultCases(validator, path),
    ...taskCases(validator, path),
    ...progressCases(validator, path),
    ...shotCases(validator, path),
    ...resultCases(validator, path),
    ...streamCases(validator, path),
    ...textCases(validator, path),
    ...uploadCases(validator, path),
    ...failureCases(validator, path),
  ]);
  return [...sampleCases(samples), ...derived];
}
