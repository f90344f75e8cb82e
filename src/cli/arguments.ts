import { parseArgs } from 'node:util';
import { SetupError } from '../core/errors.ts';
import { isLoopbackHost } from '../core/loopback-hosts.ts';
import { VENDOR_HOST } from '../proxy/vendor-hosts.ts';
import {
  type Config,
  ENV_PREFIX,
  type Flags,
  findRawValue,
  readConfig,
  SETTING_NAMES,
  type SettingName,
  toEnvVariable,
} from '../settings/config.ts';
import { SETTINGS } from '../settings/settings.ts';
import type { RecordingOptions } from './exec/recording.ts';

/** Subcommands that run or configure an emulator and take its settings as flags. */
const EMULATOR_COMMANDS = ['start', 'wait', 'stop', 'env', 'exec', 'ca', 'healthcheck', 'config'] as const;
/** Subcommands with flags of their own. */
const TOOL_COMMANDS = ['verify', 'drift', 'import', 'state', 'open'] as const;

type EmulatorCommand = (typeof EMULATOR_COMMANDS)[number];

export interface Command {
  name: EmulatorCommand | (typeof TOOL_COMMANDS)[number] | 'help' | 'version';
  config: Config;
  env: NodeJS.ProcessEnv;
  /** Only for `exec`. */
  exec?: ExecOptions;
  /** Only for `start`: whether the emulator runs in a process of its own, in the background. */
  detach?: boolean;
  /** Only for `env`: whether to also print the variables that redirect https://nanophoto.ai. */
  proxy?: boolean;
  /** Only for `wait`: how long it waits for the emulator. */
  timeoutMs?: number;
  /** Unparsed arguments of a subcommand with flags of its own. */
  args?: readonly string[];
  /** Problems to log that do not prevent the start. */
  warnings: string[];
}

/** Options of `exec` in addition to the settings. */
export interface ExecOptions {
  command: readonly [program: string, ...args: string[]];
  /** The environment that the environment of the program is derived from. */
  env: NodeJS.ProcessEnv;
  /** Prints the ledger and the verdict of every account when the program ends. */
  report: boolean;
  failOnVerdict: boolean;
  /** Directory for the artifacts of every account. */
  artifacts: string | undefined;
  /** Undefined: the program uses an emulator instead of the real service. */
  recording: RecordingOptions | undefined;
}

const TIMEOUT_EXPECTS = 'a whole number from 0 to 999999999';
const SPEND_EXPECTS = 'a whole number of credits from 0 to 999999999';
/** Flags of one subcommand, in addition to the settings. */
const COMMAND_FLAGS = {
  detach: { command: 'start', type: 'boolean' },
  'timeout-ms': { command: 'wait', type: 'string', expects: TIMEOUT_EXPECTS },
  proxy: { command: 'env', type: 'boolean' },
  report: { command: 'exec', type: 'boolean' },
  'fail-on-verdict': { command: 'exec', type: 'boolean' },
  artifacts: { command: 'exec', type: 'string', expects: 'the path of a directory' },
  record: { command: 'exec', type: 'string', expects: 'the path of a directory' },
  upstream: { command: 'exec', type: 'string', expects: 'the URL of the service to record' },
  spend: { command: 'exec', type: 'string', expects: SPEND_EXPECTS },
  'record-files': { command: 'exec', type: 'boolean' },
} as const;
/** Flags of `exec` that only apply to a recording. */
const RECORDING_FLAGS = ['upstream', 'spend', 'record-files'] as const;
/** Flags that also apply to a recording; all others are for the emulator, which does not run then. */
const FLAGS_FOR_RECORDING: readonly string[] = ['record', ...RECORDING_FLAGS, 'port', 'log-level'];
const DEFAULT_TIMEOUT_MS = 30_000;
/** Subcommands for an emulator that is already running. */
const ADDRESSED_COMMANDS: readonly string[] = ['wait', 'stop', 'env'];

/** Defaults of `exec`: a free port, little output, no waiting for tasks, and a journal large enough for any run. */
const EXEC_DEFAULTS: Flags = { port: '0', 'log-level': 'warn', clock: 'auto', 'journal-entries': '100000' };
/** Settings that `exec` ignores in its environment: they may be meant for another emulator that the program starts. */
const IGNORED_BY_EXEC: readonly SettingName[] = ['port', 'data-dir', 'https-port', 'host'];

/** Variables that Kubernetes sets for a service with our name. */
const SERVICE_VARIABLE = /_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;

/**
 * Reads the command line and the environment.
 *
 * @throws SetupError with one sentence that says what is wrong and what to write instead
 */
export function readCommand(
  argv: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
): Command {
  const tool = TOOL_COMMANDS.find((name) => name === argv[0]);
  if (tool) return { name: tool, args: argv.slice(1), env, config: readConfig({}, {}), warnings: [] };
  const end = argv.indexOf('--');
  const [ownArgs, [program, ...args]] = end === -1 ? [argv, []] : [argv.slice(0, end), argv.slice(end + 1)];
  const { flags, positionals } = parseFlags(ownArgs);
  const [name = 'start', ...others] = positionals;
  if (name === 'exec' && !flags.help && (others.length > 0 || program === undefined)) {
    const example = others.length > 0 ? others.join(' ') : 'python script.py';
    throw new SetupError(`exec needs a command after "--", for example: nanophoto-emulator exec -- ${example}.`);
  }
  if (name !== 'exec' && end !== -1) {
    const command = program === undefined ? 'python script.py' : [program, ...args].join(' ');
    throw new SetupError(`"--" is only valid with exec; write nanophoto-emulator exec -- ${command}.`);
  }
  if (others.length > 0) {
    throw new SetupError(
      `Unexpected "${others[0]}" after "${name}"; nanophoto-emulator --help lists the commands and flags.`,
    );
  }
  if (!isEmulatorCommand(name)) {
    const names = [...EMULATOR_COMMANDS, ...TOOL_COMMANDS].join(', ');
    throw new SetupError(`Unknown command "${name}"; use one of ${names}, or try --help.`);
  }
  if (flags.help) return { name: 'help', env, config: readConfig({}, {}), warnings: [] };
  if (flags.version) return { name: 'version', env, config: readConfig({}, {}), warnings: [] };

  // --seed takes a random seed, but is easily mistaken for the flag that takes the file of accounts.
  if (typeof flags.seed === 'string' && flags.seed.endsWith('.json')) {
    flags['seed-file'] ??= flags.seed;
    delete flags.seed;
  }
  for (const [flag, { command }] of Object.entries(COMMAND_FLAGS)) {
    if (flags[flag] !== undefined && name !== command) {
      throw new SetupError(`--${flag} is only valid with ${command}; leave it out.`);
    }
  }
  if (name === 'exec') return readExec(flags, env, [program!, ...args]);
  const warnings = Object.keys(env)
    .filter((variable) => variable.startsWith(ENV_PREFIX) && !SETTING_NAMES.map(toEnvVariable).includes(variable))
    .filter((variable) => !SERVICE_VARIABLE.test(variable))
    .map((variable) => `${variable} is not a setting and has no effect; --help lists the settings.`);
  const config = readConfig(flags, env);
  if (config.port === 0 && ADDRESSED_COMMANDS.includes(name)) {
    throw new SetupError(`${name} needs the port of a running emulator; write --port and the port that start printed.`);
  }
  const { detach = false, proxy = false, 'timeout-ms': timeout } = flags;
  return {
    name,
    env,
    config,
    detach: detach === true,
    proxy: proxy === true,
    timeoutMs: readTimeout(timeout),
    warnings,
  };
}

function readTimeout(value: Flags[string]): number {
  if (value === undefined) return DEFAULT_TIMEOUT_MS;
  if (/^\d{1,9}$/.test(String(value))) return Number(value);
  throw new SetupError(`--timeout-ms must be ${TIMEOUT_EXPECTS}, not "${value}".`);
}

const isEmulatorCommand = (name: string): name is EmulatorCommand =>
  (EMULATOR_COMMANDS as readonly string[]).includes(name);

function readExec(flags: Flags, env: NodeJS.ProcessEnv, command: ExecOptions['command']): Command {
  if (flags['data-dir'] !== undefined) {
    throw new SetupError('exec keeps everything in memory; leave out --data-dir, or use start.');
  }
  const ignored = new Set(['PORT', ...IGNORED_BY_EXEC.map(toEnvVariable)]);
  const remainingEnv = Object.fromEntries(Object.entries(env).filter(([variable]) => !ignored.has(variable)));
  // Settings in the environment override the defaults of exec: for an undefined flag, readConfig reads the environment.
  const explicitFlags = SETTING_NAMES.filter((name) => findRawValue(name, flags, remainingEnv)).map((name) => [
    name,
    flags[name],
  ]);
  const config = readConfig({ ...EXEC_DEFAULTS, ...Object.fromEntries(explicitFlags) }, remainingEnv);
  const { report, 'fail-on-verdict': failOnVerdict, artifacts } = flags;
  if (artifacts === '') throw new SetupError('--artifacts needs a value: the path of a directory.');
  if (config.journalEntries === 0 && (report || failOnVerdict || artifacts !== undefined)) {
    throw new SetupError(
      '--report, --fail-on-verdict and --artifacts need the journal; leave out --journal-entries 0.',
    );
  }
  // A copy: later changes to our own environment are not meant for the program.
  const exec = {
    ...{ command, env: { ...env }, report: report === true, failOnVerdict: failOnVerdict === true },
    artifacts: artifacts === undefined ? undefined : String(artifacts),
    recording: readRecording(flags, config.port),
  };
  return { name: 'exec', env, config, exec, warnings: [] };
}

function readRecording(flags: Flags, port: number): RecordingOptions | undefined {
  const { record, upstream, spend = '0', 'record-files': recordFiles } = flags;
  if (record === undefined) {
    const flag = RECORDING_FLAGS.find((name) => flags[name] !== undefined);
    if (flag) throw new SetupError(`--${flag} needs --record and a directory for the recorded samples.`);
    return undefined;
  }
  if (record === '') throw new SetupError('--record needs a value: the path of a directory.');
  if (upstream === undefined) {
    throw new SetupError(`--record needs the service to record; write --upstream https://${VENDOR_HOST}.`);
  }
  const other = Object.keys(flags).find((name) => !FLAGS_FOR_RECORDING.includes(name));
  if (other) throw new SetupError(`--${other} is for an emulator, which exec --record does not start; leave it out.`);
  if (!/^\d{1,9}$/.test(String(spend))) throw new SetupError(`--spend must be ${SPEND_EXPECTS}, not "${spend}".`);
  const url = parseUpstream(String(upstream));
  if (Number(url.port) === port && port !== 0) {
    throw new SetupError(`--upstream and --port name the same port; leave out --port.`);
  }
  return { dir: String(record), upstream: url.origin, spend: Number(spend), recordFiles: recordFiles === true };
}

/** Parses the URL of `--upstream`. That server receives the program's key, so a mistyped host must be rejected. */
function parseUpstream(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isService = url?.origin === `https://${VENDOR_HOST}`;
  const isLocal = url !== undefined && ['http:', 'https:'].includes(url.protocol) && isLoopbackHost(url.hostname);
  const isPlain = url?.pathname === '/' && url.search + url.hash + url.username + url.password === '';
  if ((isService || isLocal) && isPlain) return url;
  throw new SetupError(
    `--upstream must be https://${VENDOR_HOST} or the URL of a server on this machine, such as http://127.0.0.1:6266.`,
  );
}

function parseFlags(argv: readonly string[]): { flags: Flags; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: {
        ...Object.fromEntries(SETTING_NAMES.map((name) => [name, { type: 'string' as const }])),
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
        ...COMMAND_FLAGS,
      },
      allowPositionals: true,
    });
    return { flags: values as Flags, positionals };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const flag = (/(--[\w-]+)/.exec(message) ?? /'(-\w)/.exec(message))?.[1] ?? 'A flag';
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
      throw new SetupError(`Unknown flag ${flag}; nanophoto-emulator --help lists the flags.`);
    }
    const name = flag.replace(/^-+/, '');
    const commandFlag: { type: string; expects?: string } | undefined =
      COMMAND_FLAGS[name as keyof typeof COMMAND_FLAGS];
    const expects = commandFlag?.expects ?? SETTINGS[name as SettingName]?.expects;
    throw new SetupError(expects ? `${flag} needs a value: ${expects}.` : `${flag} takes no value.`);
  }
}
