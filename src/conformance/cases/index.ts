import type { WireSample } from '../../openapi/wire-samples.ts';
import type { Case } from '../case.ts';
import type { Conformity } from '../contract-validator.ts';
import { fieldCases } from './fields.ts';
import { resultCases } from './media.ts';
import {
  commonCases,
  defaultCases,
  failureCases,
  priceCases,
  unknownTaskCases,
} from './prices-and-errors.ts';
import { progressCases } from './progress.ts';
import { sampleCases } from './samples.ts';
import { shotCases } from './shots.ts';
import { streamCases } from './streams.ts';
import { taskCases } from './tasks.ts';
import { textCases } from './texts.ts';
import { uploadCases } from './uploads.ts';

/** All that the contract promises and that can be looked at from outside: its samples, and what follows from its document. */
export function allCases(conformity: Conformity, samples: readonly WireSample[]): Case[] {
  const paths = Object.keys(conformity.document.paths);
  const derived = paths.flatMap((path) => [
    ...commonCases(path),
    ...fieldCases(conformity, path),
    ...unknownTaskCases(conformity, path),
    ...priceCases(conformity, path),
    ...defaultCases(conformity, path),
    ...taskCases(conformity, path),
    ...progressCases(conformity, path),
    ...shotCases(conformity, path),
    ...resultCases(conformity, path),
    ...streamCases(conformity, path),
    ...textCases(conformity, path),
    ...uploadCases(conformity, path),
    ...failureCases(conformity, path),
  ]);
  return [...sampleCases(samples), ...derived];
}
