import { existsSync, writeFileSync } from 'node:fs';
import { ControlError } from '../client/client.ts';
import type { Rule } from '../client/types.ts';
import { connectControlPlane } from '../conformance/control-client.ts';
import { loadSamples } from '../conformance/recordings/load-samples.ts';
import { ruleFromSample } from '../conformance/recordings/sample-to-rule.ts';
import { getFamilySchemas } from '../control-plane/state/family-schemas.ts';
import { toPrintableJson, toPrintableLine } from '../core/control-chars.ts';
import { SetupError } from '../core/errors.ts';
import { endSentence } from '../core/sentence.ts';
import { FAMILIES } from '../families/index.ts';
import { formatIssue } from '../http/issue-messages.ts';
import { parseUntrusted } from '../http/parse-untrusted.ts';
import { DEFAULT_SEED_FILE } from '../paths.ts';
import { parseSeedFile, readJsonFile } from '../server/seed-file.ts';
import { parseBaseUrl, parseFlags } from './flags.ts';

const DEFAULT_KEY = 'np_test_default';

/** Runs `import` with these arguments. @throws SetupError when one is invalid, or no rule can be created or added */
export async function runImport(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const options = readImportOptions(args, env);
  if (options) await importSamples(options);
  else print(IMPORT_HELP);
}

async function importSamples(options: ImportOptions): Promise<void> {
  const { paths, key, url, adminToken, seedFile } = options;
  const rules = loadRules(paths);
  const count = rules.length === 1 ? '1 rule' : `${rules.length} rules`;
  if (seedFile !== undefined) {
    const accountKey = key ?? DEFAULT_KEY;
    addToSeedFile(seedFile, accountKey, rules);
    print(`Added ${count} for ${accountKey} to ${seedFile}.`);
  } else if (key !== undefined) {
    await addRules(url, adminToken, key, rules);
    print(`Added ${count} for ${key} at ${url}.`);
  } else print(toPrintableJson(rules));
}

const print = (text: string) => process.stdout.write(`${text}\n`);

/** Converts samples to rules and reports the ones that it skips. @throws SetupError when no rule is left */
function loadRules(paths: readonly string[]): Rule[] {
  const { NewRule } = getFamilySchemas(FAMILIES);
  const rules: Rule[] = [];
  for (const sample of paths.flatMap((path) => loadSamples(path))) {
    const rule = ruleFromSample(sample);
    const parsed = typeof rule === 'string' ? undefined : parseUntrusted(NewRule, rule);
    const [issue] = parsed?.error?.issues ?? [];
    const reason = typeof rule === 'string' ? rule : issue && formatIssue(issue);
    if (reason === undefined) rules.push(rule as Rule);
    else process.stderr.write(`skipped ${toPrintableLine(`${sample.id}: ${reason}`)}\n`);
  }
  if (rules.length === 0) throw new SetupError(`${paths.join(', ')}: none of the samples can be converted to a rule.`);
  return rules;
}

/** Adds all rules or none. @throws SetupError when the emulator rejects a rule or does not respond */
async function addRules(url: string, adminToken: string | undefined, key: string, rules: readonly Rule[]) {
  const control = connectControlPlane(url, adminToken);
  const addedIds: string[] = [];
  try {
    for (const rule of rules) addedIds.push((await control.account(key).faults.add(rule)).id);
  } catch (cause) {
    await Promise.all(addedIds.map((id) => control.account(key).faults.remove(id))).catch(() => {});
    if (cause instanceof ControlError) {
      throw new SetupError(`${url} rejects a rule for ${key}: ${endSentence(cause.message)}`, { cause });
    }
    throw new SetupError(`No emulator responds at ${url}; check --base-url.`, { cause });
  }
}

interface SeedFile {
  format?: string;
  accounts?: { key: string; faults?: Rule[]; account?: { key: string } }[];
}

/** Adds rules to a seed file. A file without accounts, which stands for the built-in accounts, keeps these. */
function addToSeedFile(file: string, key: string, rules: readonly Rule[]): void {
  const content = existsSync(file) ? (readJsonFile(file) as SeedFile) : {};
  parseSeedFile(file, content);
  const accounts = content.accounts ?? (readJsonFile(DEFAULT_SEED_FILE) as SeedFile).accounts ?? [];
  const isExport = content.format !== undefined;
  if (isExport || accounts.some(({ account }) => account?.key === key)) {
    const subject = isExport ? file : `${key} in ${file}`;
    throw new SetupError(`${subject} is an exported account; add the rules to a running emulator instead.`);
  }
  const account = accounts.find((one) => one.key === key);
  const updatedAccount = { ...(account ?? { key }), faults: [...(account?.faults ?? []), ...rules] };
  const updated = {
    ...content,
    accounts: account ? accounts.map((one) => (one === account ? updatedAccount : one)) : [...accounts, updatedAccount],
  };
  parseSeedFile(file, updated);
  try {
    writeFileSync(file, `${JSON.stringify(updated, null, 2)}\n`);
  } catch (cause) {
    throw new SetupError(`${file} cannot be written: ${endSentence((cause as Error).message)}`, { cause });
  }
}

interface ImportOptions {
  /** Files and directories. */
  paths: readonly string[];
  /** Key of the account that gets the rules. Undefined: the rules are printed. */
  key: string | undefined;
  url: string;
  adminToken: string | undefined;
  seedFile: string | undefined;
}

const OPTIONS = {
  key: { type: 'string' },
  'base-url': { type: 'string' },
  'admin-token': { type: 'string' },
  'seed-file': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;
const DEFAULT_URL = 'http://127.0.0.1:6266';

/** Reads the arguments after `import`. Undefined: --help is among them. @throws SetupError when one is invalid */
function readImportOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ImportOptions | undefined {
  const { values, positionals } = parseFlags('import', argv, OPTIONS, true);
  if (values.help) return undefined;
  if (positionals.length === 0) {
    throw new SetupError(
      'import needs files or directories of samples; exec --record and verify --record create them.',
    );
  }
  const { key, 'base-url': url, 'admin-token': adminToken, 'seed-file': seedFile } = values;
  const runningEmulatorFlag =
    url === undefined ? (adminToken === undefined ? undefined : '--admin-token') : '--base-url';
  if (seedFile !== undefined && runningEmulatorFlag) {
    throw new SetupError(`${runningEmulatorFlag} cannot be combined with --seed-file; leave one of them out.`);
  }
  if (key === undefined && runningEmulatorFlag) {
    throw new SetupError(`${runningEmulatorFlag} needs --key, the account that gets the rules.`);
  }
  return {
    paths: positionals,
    key,
    url: parseBaseUrl(url ?? DEFAULT_URL),
    adminToken: adminToken ?? (env.NANOPHOTO_EMULATOR_ADMIN_TOKEN || undefined),
    seedFile,
  };
}

const IMPORT_HELP = `nanophoto-emulator import: replays recorded responses

Usage: nanophoto-emulator import [flags] <file or directory> …

Converts each recorded response to a fault rule that replays it, and prints the rules as JSON.

  --key          add the rules to this account of a running emulator
  --base-url     URL of that emulator (default ${DEFAULT_URL})
  --admin-token  token of its control plane, if it requires one
  --seed-file    add the rules to this seed file instead, for the account of --key (default np_test_default)`;
