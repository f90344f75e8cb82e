import * as z from 'zod';
import { createInitialRulesSchema } from '../control-plane/fault-rule-schema.ts';
import { MAX_NESTING } from '../control-plane/state/document-reader.ts';
import { getFamilySchemas } from '../control-plane/state/family-schemas.ts';
import type { AccountProfile } from '../core/accounts/accounts.ts';
import { SetupError } from '../core/errors.ts';
import type { Rule } from '../core/faults/fault-rules.ts';
import { readTextFile } from '../core/files.ts';
import { parseJson } from '../core/json.ts';
import type { PriceOverrides, PriceTable } from '../core/ledger/prices.ts';
import type { ClockMode } from '../core/time/clock.ts';
import { FAMILIES } from '../families/index.ts';
import { apiKey, PROFILE, resolveProfile, strict } from '../http/account-profile.ts';
import { parseUntrusted } from '../http/parse-untrusted.ts';
import { DEFAULT_SEED_FILE } from '../paths.ts';

const MAX_PRICE = 1_000_000_000;
/** Enough for a hundred thousand accounts. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** A strict object of optional fields whose error for an unknown field lists the known ones. */
function partialObject<T extends z.ZodType>(shape: Record<string, T>) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `unknown field ${JSON.stringify(issue.keys[0])}; the fields are ${known}`
        : `expected an object with prices for ${known}`,
  });
}

/** Returns the schema of the price overrides for a family with this price table. */
function priceOverrideSchema(table: PriceTable): z.ZodType<PriceOverrides> {
  if (typeof table === 'number') {
    const error = `expected a whole number of credits from 0 to ${MAX_PRICE}`;
    return z.int({ error }).min(0, { error }).max(MAX_PRICE, { error });
  }
  return partialObject(
    Object.fromEntries(Object.entries(table).map(([option, price]) => [option, priceOverrideSchema(price).optional()])),
  ) as z.ZodType<PriceOverrides>;
}

const PriceOverridesSchema = partialObject(
  Object.fromEntries(FAMILIES.map(({ name, prices }) => [name, priceOverrideSchema(prices).optional()])),
) as z.ZodType<Readonly<Record<string, PriceOverrides>>>;

const { NewRule, document } = getFamilySchemas(FAMILIES);
const { ImportedDocument: Document } = document;
type Document = z.output<typeof Document>;
const SeedAccount = strict({ key: apiKey, ...PROFILE, faults: createInitialRulesSchema(NewRule).optional() });

const isDocument = (value: unknown): boolean => typeof value === 'object' && value !== null && 'format' in value;

/** An account, or the document of an export. The error of a union would be about both. */
const AccountOrDocument = z.unknown().transform((value, ctx): z.output<typeof SeedAccount> | Document => {
  const parsed = parseUntrusted(isDocument(value) ? Document : SeedAccount, value);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) ctx.addIssue({ code: 'custom', path: [...path], message });
  return z.NEVER;
});

const FIELDS = {
  /** Initial values of all accounts that do not give their own, including auto-created ones. */
  defaults: strict(PROFILE).default({}),
  /** Prices that differ from the vendor's, by family. */
  prices: PriceOverridesSchema.default({}),
  /** For editors. */
  $schema: z.string().optional(),
};
/** Absent accounts: those of the default seed file. */
const SeedFile = strict({ accounts: z.array(AccountOrDocument).optional(), ...FIELDS });

/** The schemas of files, for editors. A seed file that is the document of an export has the schema of that. */
export const FILE_SCHEMAS = {
  state: Document,
  seedFile: strict({ accounts: z.array(z.union([SeedAccount, Document])).optional(), ...FIELDS }).meta({
    title: 'A seed file of nanophoto-emulator',
  }),
};

export interface Seed {
  /** Initial values of accounts that do not give their own. */
  newAccount: AccountProfile;
  accounts: { key: string; profile: AccountProfile }[];
  /** The accounts that are documents of an export. */
  states: Document[];
  /** The key of the first account; undefined without accounts. */
  firstKey: string | undefined;
  priceOverrides: Readonly<Record<string, PriceOverrides>>;
}

/** Values for everything that the seed file omits. */
export interface SeedDefaults {
  rateLimit: number | null;
  speed: number;
  failureRate: number;
  seed: string;
  clock: ClockMode;
  faultLimit?: number;
}

const DEFAULT_CREDITS = 1000;

/**
 * Reads a seed file, or the default one.
 * @param extraStates Documents of exports, which precede the accounts of the file and replace those with the same keys
 * @throws SetupError naming the first error
 */
export function readSeedFile(
  file: string | undefined,
  defaults: SeedDefaults,
  extraStates: readonly unknown[] = [],
): Seed {
  const { defaults: fileDefaults, accounts = loadSeedFile(undefined).accounts ?? [], prices } = loadSeedFile(file);
  const duplicateKey = findDuplicateKey(accounts);
  if (duplicateKey)
    throw new SetupError(`The seed file ${file} has the key ${duplicateKey} twice; remove one of the two.`);

  const { rateLimit, speed, failureRate, seed, clock: mode, faultLimit = Number.POSITIVE_INFINITY } = defaults;
  const extraDocuments = extraStates.map(parseState);
  const duplicateState = findDuplicateKey(extraDocuments);
  if (duplicateState) throw new SetupError(`Two states have the key ${duplicateState}; remove one of the two.`);
  const extraKeys = new Set(extraDocuments.map(keyOf));
  const all = [...extraDocuments, ...accounts.filter((account) => !extraKeys.has(keyOf(account)))];
  const profiles = all.flatMap((account) => ('format' in account ? [] : [account]));
  const overLimit = profiles.find(({ faults = [] }) => faults.length > faultLimit);
  if (overLimit) {
    throw new SetupError(
      `The seed file ${file} has ${overLimit.faults?.length} fault rules for ${overLimit.key}, ` +
        `more than the limit of ${faultLimit}; remove some or raise --fault-limit.`,
    );
  }
  const profileDefaults = { credits: DEFAULT_CREDITS, rateLimit, speed, failureRate, seed, clock: { mode } };
  const newAccount = resolveProfile(fileDefaults, profileDefaults);
  return {
    newAccount,
    accounts: profiles.map(({ key, faults, ...profile }) => ({
      key,
      profile: { ...resolveProfile(profile, newAccount), ...(faults && { faults: faults as Rule[] }) },
    })),
    states: all.flatMap((account) => ('format' in account ? [account] : [])),
    firstKey: all[0] && keyOf(all[0]),
    priceOverrides: prices,
  };
}

const keyOf = (account: z.output<typeof AccountOrDocument>): string =>
  'format' in account ? account.account.key : account.key;

function findDuplicateKey(accounts: readonly z.output<typeof AccountOrDocument>[]): string | undefined {
  const keys = new Set<string>();
  return accounts.map(keyOf).find((key) => keys.size === keys.add(key).size);
}

/** @throws SetupError naming the first error */
function parseState(content: unknown): Document {
  const parsed = parseUntrusted(Document, content);
  if (parsed.success) return parsed.data;
  const { location, message } = describeFirstIssue(parsed.error);
  throw new SetupError(`The state is invalid at ${location}: ${message}.`);
}

let defaultSeedFile: z.output<typeof SeedFile> | undefined;

/** Reads and validates a seed file; the default one only once, because it is a part of the package. */
function loadSeedFile(file: string | undefined): z.output<typeof SeedFile> {
  if (file !== undefined) return parseSeedFile(file, readJsonFile(file));
  defaultSeedFile ??= parseSeedFile(DEFAULT_SEED_FILE, readJsonFile(DEFAULT_SEED_FILE));
  return defaultSeedFile;
}

/** Validates the content of a seed file. @throws SetupError naming the first error */
export function parseSeedFile(file: string, content: unknown): z.output<typeof SeedFile> {
  const parsed = parseUntrusted(SeedFile, isDocument(content) ? { accounts: [content] } : content);
  if (parsed.success) return parsed.data;
  const { location, message } = describeFirstIssue(parsed.error);
  throw new SetupError(`The seed file ${file} is invalid at ${location}: ${message}.`);
}

function describeFirstIssue({ issues }: z.ZodError): { location: string; message: string } {
  const [{ path, message } = { path: [], message: '' }] = issues;
  const location = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return {
    location: location.replace(/^\./, '') || 'the top level',
    message: message.replace(/^Invalid (input|option): /, ''),
  };
}

/**
 * Reads the content of a seed file or a state without validating it.
 * @throws SetupError when it cannot be read or is not JSON
 */
export function readJsonFile(file: string, noun = 'seed file', source = 'after --seed-file'): unknown {
  let text: string;
  try {
    text = readTextFile(file, MAX_FILE_BYTES);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? `; check the path ${source}` : `: ${message}`;
    throw new SetupError(`The ${noun} ${file} cannot be read${reason}.`, { cause });
  }
  try {
    return parseJson(text, { maxNesting: MAX_NESTING });
  } catch (cause) {
    throw new SetupError(`The ${noun} ${file} is not valid JSON: ${(cause as Error).message}.`, { cause });
  }
}
