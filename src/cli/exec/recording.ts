import type { Logger } from 'pino';
import { createContractValidator } from '../../conformance/contract-validator.ts';
import { createRunRecorder } from '../../conformance/recordings/run-recorder.ts';
import { toPrintableLine } from '../../core/control-chars.ts';
import { endSentence } from '../../core/sentence.ts';
import { createMonotonicClock } from '../../core/time/clock.ts';
import { readSamples } from '../../openapi/wire-samples.ts';
import { openAuthority } from '../../proxy/certificate-authority.ts';
import type { Config } from '../../settings/config.ts';
import { getFourSecondVideo, loadContractDocument, WIRE_DIR } from '../verify.ts';
import type { ExecServer } from './environment.ts';
import { startRecordingProxy } from './recording-proxy.ts';
import { pluralize } from './report.ts';
import { createSpendBudget } from './spend-budget.ts';

export interface RecordingOptions {
  /** Directory for the samples. */
  dir: string;
  /** URL of the service, without a trailing slash. */
  upstream: string;
  /** Credits that the requests of the command may cost. */
  spend: number;
  /** Whether result files are kept as well. */
  recordFiles: boolean;
}

const INCOMPLETE_EXIT_CODE = 2;

/**
 * Starts the proxy of `exec --record`, which forwards requests to the real service and records the exchanges.
 *
 * @throws SetupError when the directory is not writable or the port is not available
 */
export async function startRecordingServer(
  { dir, upstream, spend, recordFiles }: RecordingOptions,
  config: Config,
  env: NodeJS.ProcessEnv,
  logger: Logger,
): Promise<ExecServer> {
  const clock = createMonotonicClock();
  const validator = createContractValidator(await loadContractDocument());
  const budget = createSpendBudget(validator, spend);
  let incompleteReason: string | undefined;
  const recorder = createRunRecorder({
    dir,
    url: upstream,
    credentials: [env.NANOPHOTO_API_KEY?.trim() ?? ''].filter(Boolean),
    nowMs: clock.nowMs,
    getFourSecondVideo,
    validator,
    documented: readSamples(WIRE_DIR),
    onIncomplete: (reason) => {
      incompleteReason = reason;
    },
  });
  const authority = await openAuthority(undefined);
  const { port } = config;
  const proxy = await startRecordingProxy({
    ...{ url: upstream, port, recorder, budget, recordFiles, authority, clock, logger },
  });
  return {
    url: proxy.url,
    key: undefined,
    certificate: authority.certificate,
    async end(code) {
      await proxy.close();
      const samples = pluralize(recorder.count(), 'sample');
      const files = recordFiles ? ` and ${pluralize(recorder.fileCount(), 'result file')}` : '';
      const cost = `The requests cost at most ${budget.spent()} credits (--spend ${spend}).`;
      const warning =
        incompleteReason === undefined ? '' : ` The recording is not complete: ${endSentence(incompleteReason)}`;
      process.stderr.write(
        `${toPrintableLine(`nanophoto-emulator: ${samples}${files} in ${dir}. ${cost}${warning}`)}\n`,
      );
      return code === 0 && incompleteReason !== undefined ? INCOMPLETE_EXIT_CODE : code;
    },
    close: proxy.close,
  };
}
