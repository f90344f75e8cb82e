import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { makeDir, prepareOutputDir } from '../../core/files.ts';
import { findCredentials } from '../../http/credentials.ts';
import { createCredentialRedactor, redactDeep } from '../../http/redaction.ts';
import type { Json } from '../../openapi/json-schema.ts';
import { parseWireSample, type WireSample } from '../../openapi/wire-samples.ts';
import { isInProgress } from '../assertions.ts';
import type { Exchange } from '../case-context.ts';
import type { ContractValidator } from '../contract-validator.ts';
import { createSampleConverter, getRequestDigest } from './exchange-log.ts';
import { findValidationError, isApiPath, SAMPLE_LIMITS } from './load-samples.ts';
import { createResultFile, type ResultRecording, toResultPath } from './result-file.ts';
import { extractIds, type Ids } from './sample-matching.ts';

const LIMITS = {
  /** Samples of one run. `drift` repeats up to three requests for each. */
  samples: 3000,
  /** All samples of one run together. */
  bytes: SAMPLE_LIMITS.bytes,
  /** Different credentials of one run. Each makes redacting slower. */
  credentials: 100,
  /** Result files of one run. */
  files: 1000,
};
/** Tasks whose submit is kept for the samples of their polls. */
const MAX_SUBMITS = 1000;
/** A submit with a longer body, after uploads are replaced, is not kept. */
const MAX_SUBMIT_CHARACTERS = 16_384;
const MAX_IDS_PER_SUBMIT = 100;
/** A shorter id could be part of unrelated text. */
const MIN_ID_LENGTH = 6;
const OF_OTHER_RUN = 'another run or another account submitted its task';

/** A request that created tasks. */
interface Submit {
  submitted: Required<NonNullable<WireSample['given']>>['submitted'];
  ids: Ids;
}

export type RunRecorder = ReturnType<typeof createRunRecorder>;

export interface RunRecorderOptions {
  dir: string;
  /** URL of the service. */
  url: string;
  /** Credentials to redact in addition to those that requests use. */
  credentials: readonly string[];
  nowMs: () => number;
  getFourSecondVideo: () => Buffer;
  validator: ContractValidator;
  /** The project's own samples, which show the steps of tasks. */
  documented: readonly WireSample[];
  /** Called once when a limit is reached, or a file cannot be written. */
  onIncomplete: (reason: string) => void;
  limits?: typeof LIMITS;
}

/**
 * Records the exchanges of a program with the real service as samples, which `drift` can replay one by one: the sample
 * of a poll contains the request that submitted its task. It never overwrites a file of another run.
 *
 * @throws SetupError when the directory is not writable
 */
export function createRunRecorder(options: RunRecorderOptions) {
  const { dir, nowMs, validator, documented, onIncomplete, limits = LIMITS } = options;
  prepareOutputDir(dir);
  const toSample = createSampleConverter(options.url, options.getFourSecondVideo);
  const credentials = new Set(options.credentials);
  /** By task id and generation id, the oldest first. */
  const submits = new Map<string, Submit>();
  /** Samples of polls whose task was in progress. */
  const steps = new Map<string, { file: string; size: number }>();
  let sampleCount = 0;
  let fileCount = 0;
  let keptFileCount = 0;
  let bytes = 0;
  let incompleteReason: string | undefined;

  function endRecording(reason: string): void {
    if (incompleteReason !== undefined) return;
    incompleteReason = reason;
    onIncomplete(reason);
  }

  /** Describes the state in which the emulator responds as the service did. */
  function describeGiven({ path, response }: Exchange, submit: Submit | undefined): WireSample['given'] {
    const { status, body } = response;
    if (status === 401) return { unauthorized: true };
    if (status === 402) return { credits: 0 };
    if (status === 429) return { requestsBefore: 1 };
    const refusal = status >= 500 && isDocumentedCode(path, body?.errorCode) && { refusal: body.errorCode };
    if (!submit) return refusal || undefined;
    const { submitted } = submit;
    const endedTasks = findEndedTasks(body, submit.ids);
    const outcomes = new Set(Object.values(endedTasks));
    if (isInProgress(response) ? outcomes.size > 0 : outcomes.size > 1) return { submitted, endedTasks };
    if (hasEnded(body)) return { submitted, ended: body.status };
    if (status === 403) return { submitted, submittedBy: 'np_another' };
    return { submitted, ...refusal, ...(isInProgress(response) && findChanges(path, body)) };
  }

  const isDocumentedCode = (path: string, code: unknown) =>
    typeof code === 'string' && validator.operationOf(path) !== undefined && validator.hasErrorCode(path, code);

  /** Returns the number of step changes after which the project's samples show this step. */
  function findChanges(path: string, { status, progress }: Json): { changes: number } | undefined {
    const changes = documented.find(({ request, response: { body } }) => {
      const isSameStep = typeof progress !== 'string' || body?.progress === progress;
      return request.path === path && body?.status === status && isSameStep;
    })?.given?.changes;
    return changes === undefined ? undefined : { changes };
  }

  /** Finds the submit of the task that a request names. */
  const findSubmit = (body: Json): Submit | undefined =>
    [...extractIds(JSON.stringify(body) ?? '').values()].map((id) => submits.get(id)).find(Boolean);

  /** Returns the tasks of a response, and remembers the request if it created them. */
  function noteSubmit({ path, response }: Exchange, { body }: WireSample['request']): Submit | undefined {
    if (response.status !== 200 || validator.operationOf(path) === undefined) return undefined;
    const ids = extractIds(response.text);
    const submit = { submitted: { path, body }, ids };
    if ([...ids.values()].some((id) => id.length < MIN_ID_LENGTH)) return undefined;
    if (ids.size > MAX_IDS_PER_SUBMIT || JSON.stringify(body).length > MAX_SUBMIT_CHARACTERS) return undefined;
    // A request that names tasks polls them; another run has created these.
    if (namesTasks(body)) return submit;
    for (const id of ids.values()) {
      if (submits.size >= MAX_SUBMITS) submits.delete(submits.keys().next().value!);
      submits.set(id, submit);
    }
    return submit;
  }

  function addSample(exchange: Exchange): void {
    const { method, path, response } = exchange;
    const { errorCode } = response.body ?? {};
    const isCode = typeof errorCode === 'string' && /^\w{1,100}$/.test(errorCode);
    const outcome = isCode ? `${response.status} ${errorCode}` : response.status;
    const converted = toSample(exchange, `${method} ${path} gets ${outcome}`, credentials);
    const polled = findSubmit(exchange.requestBody);
    const isOfOtherRun = !polled && [200, 403].includes(response.status) && namesTasks(exchange.requestBody);
    const given = describeGiven(exchange, polled);
    const submit =
      polled ?? (converted.request.body === undefined ? undefined : noteSubmit(exchange, converted.request));
    const { name, source, failure, notRepeatable = isOfOtherRun ? OF_OTHER_RUN : undefined, ...wire } = converted;
    const { request, response: recordedResponse } = replaceIds(wire, submit?.ids);
    const recordedAt = new Date(nowMs()).toISOString();
    const sample = {
      ...{ name, source, provenance: 'recorded', recordedAt },
      ...(failure !== undefined && { failure }),
      ...(notRepeatable !== undefined && { notRepeatable }),
      ...(given && { given }),
      ...{ request, response: recordedResponse },
    };
    const text = `${JSON.stringify(sample, null, 2)}\n`;
    if (!isLoadable(text)) return;
    const step = getStep(exchange);
    const previous = step === undefined ? undefined : steps.get(step);
    const size = Buffer.byteLength(text) - (previous?.size ?? 0);
    if (bytes + size > limits.bytes) {
      endRecording(`the samples of this run have reached the limit of ${limits.bytes} bytes`);
    } else if (!previous && sampleCount >= limits.samples) {
      endRecording(`this run has reached the limit of ${limits.samples} samples`);
    } else {
      const fileName = `${recordedAt.replaceAll(':', '')}-${String(sampleCount + 1).padStart(4, '0')}.json`;
      const file = previous?.file ?? join(dir, request.path.slice('/api/'.length), fileName);
      makeDir(resolve(dirname(file)), 0o777);
      // Truncating the file would take milliseconds on ext4, which writes a truncated file to the disk at once.
      if (previous) rmSync(file, { force: true });
      writeFileSync(file, text, { flag: 'wx' });
      bytes += size;
      if (!previous) sampleCount += 1;
      if (step !== undefined) steps.set(step, { file, size: size + (previous?.size ?? 0) });
    }
  }

  return {
    /** Adds the credentials of a request to those that are redacted. */
    addCredentials(headers: NodeJS.Dict<string | string[]>): void {
      for (const credential of findCredentials(headers)) {
        if (credentials.has(credential)) continue;
        if (credentials.size >= limits.credentials) {
          endRecording(`this run has used more than ${limits.credentials} different credentials`);
          return;
        }
        credentials.add(credential);
      }
    },
    /** Writes a sample. An exchange that cannot be replayed, such as one outside /api/, is not recorded. */
    add(exchange: Exchange): void {
      if (incompleteReason !== undefined || !isApiPath(exchange.path)) return;
      try {
        addSample(exchange);
      } catch (error) {
        endRecording(`a sample cannot be written: ${(error as Error).message}`);
      }
    },
    /** Creates the file of a result. Undefined: it exists already, or the limit of files is reached. */
    createFile(host: string, path: string): ResultRecording | undefined {
      if (incompleteReason !== undefined) return undefined;
      if (fileCount >= limits.files) {
        endRecording(`this run has reached the limit of ${limits.files} files`);
        return undefined;
      }
      const redact = createCredentialRedactor(credentials);
      const file = toResultPath(join(dir, 'files'), host, redact(path));
      const onError = (error: unknown) => endRecording(`${file} cannot be written: ${(error as Error).message}`);
      const created = createResultFile(file, onError);
      if (!created) return undefined;
      fileCount += 1;
      return {
        write: created.write,
        end(isWhole) {
          const isKept = created.end(isWhole);
          if (isKept) keptFileCount += 1;
          return isKept;
        },
      };
    },
    /** The number of samples. */
    count: () => sampleCount,
    /** The number of result files that are kept. */
    fileCount: () => keptFileCount,
  };
}

/** Whether a request is about tasks that exist. */
const namesTasks = (requestBody: Json): boolean => extractIds(JSON.stringify(requestBody) ?? '').size > 0;

const hasEnded = (task: Json): boolean => task?.status === 'completed' || task?.status === 'failed';

/** Returns the outcomes of the ended tasks of a response about several, by the placeholders of their ids. */
function findEndedTasks(body: Json, ids: Ids): Record<string, 'completed' | 'failed'> {
  const ended: Json[] = Array.isArray(body?.shots) ? body.shots.filter(hasEnded) : [];
  return Object.fromEntries(
    [...ids].flatMap(([placeholder, id]) => {
      const task = ended.find(({ taskId }) => taskId === id);
      return task ? [[placeholder, task.status]] : [];
    }),
  );
}

/** Identifies the step of a task in progress. Of the polls that show the same step, only the last one is kept. */
function getStep(exchange: Exchange): string | undefined {
  if (!isInProgress(exchange.response) || !namesTasks(exchange.requestBody)) return undefined;
  const { status, progress, shots } = exchange.response.body;
  const statuses = Array.isArray(shots) && shots.slice(0, MAX_IDS_PER_SUBMIT).map((shot) => hasEnded(shot));
  return JSON.stringify([getRequestDigest(exchange), status, typeof progress === 'string' && progress, statuses]);
}

/** Whether `drift` and `import` accept a sample. Bodies of a hostile service may be nested too deep for them. */
function isLoadable(text: string): boolean {
  try {
    return findValidationError(parseWireSample('recorded', text)) === undefined;
  } catch {
    return false;
  }
}

/** Replaces ids by their placeholders, for which `drift` inserts the ids of the emulator. */
function replaceIds<T>(value: T, ids: Ids = new Map()): T {
  if (ids.size === 0) return value;
  return redactDeep(value, (text) =>
    [...ids].reduce((rest, [placeholder, id]) => rest.replaceAll(id, () => placeholder), text),
  );
}
