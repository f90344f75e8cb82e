import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SetupError } from '../../core/errors.ts';
import { makeDir, prepareOutputDir, readTextFile, withWriteErrors } from '../../core/files.ts';
import type { CaseInfo, Exchange } from '../case-context.ts';
import type { ExchangeLog } from './exchange-log.ts';

/** Far more than the sample of the largest response has. */
const MAX_SAMPLE_BYTES = 32 * 1024 * 1024;

/** Replaces the characters that are not allowed in file names on every system. */
const sampleFilePath = (dir: string, id: string, exchange = 1) =>
  join(dir, `${id.replaceAll(/[^\w./-]/g, '_')}${exchange === 1 ? '' : `-${exchange}`}.json`);

/**
 * Records the exchanges of a run as samples, one file each. It only overwrites recordings of the same case.
 *
 * @throws SetupError when the directory is not writable, or another file has the name of a recording
 */
export function createRecorder(dir: string, ids: readonly string[], log: ExchangeLog) {
  prepareOutputDir(dir);
  withWriteErrors(dir, () => {
    for (const id of ids) assertOwnRecording(sampleFilePath(dir, id), id);
  });
  let failure: unknown;

  return {
    onExchange(exchange: Exchange, caseInfo: CaseInfo): void {
      if (failure !== undefined) return;
      try {
        const sample = log.add(exchange, caseInfo);
        if (!sample) return;
        const file = sampleFilePath(dir, caseInfo.id, sample.exchange);
        withWriteErrors(file, () => {
          if (sample.exchange === 1) removeOldRecordings(dir, caseInfo.id);
          assertOwnRecording(file, caseInfo.id);
          makeDir(resolve(dirname(file)), 0o777);
          writeFileSync(file, `${JSON.stringify(sample, null, 2)}\n`);
        });
      } catch (error) {
        // Thrown by end(): a failed recording does not stop the run.
        failure = error;
      }
    },
    /** Ends the recording. @throws SetupError when a sample could not be written */
    end(): void {
      if (failure !== undefined) throw failure;
    },
  };
}

/** Removes the later exchanges of an earlier recording, which may have had more of them. */
function removeOldRecordings(dir: string, id: string): void {
  const first = sampleFilePath(dir, id);
  if (!existsSync(dirname(first))) return;
  const stem = basename(first, '.json');
  for (const name of readdirSync(dirname(first))) {
    const isLaterExchange = name.startsWith(`${stem}-`) && /^\d+\.json$/.test(name.slice(stem.length + 1));
    const file = join(dirname(first), name);
    if (isLaterExchange && isRecordingOf(file, id)) rmSync(file);
  }
}

function assertOwnRecording(file: string, id: string): void {
  if (existsSync(file) && !isRecordingOf(file, id)) {
    throw new SetupError(`${file} is not a recording of ${id} and is not overwritten; choose another directory.`);
  }
}

function isRecordingOf(file: string, id: string): boolean {
  try {
    const sample = JSON.parse(readTextFile(file, MAX_SAMPLE_BYTES));
    return sample.case === id && typeof sample.recordedAt === 'string';
  } catch {
    return false;
  }
}
