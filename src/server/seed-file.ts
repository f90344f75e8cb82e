import * as z from 'zod';
import { createInitialRulesSchema, MAX_INITIAL_RULES_BYTES } from '../control-plane/fault-rule-schema.ts';
import { MAX_NESTING } from '../control-plane/state/document-reader.ts';
import { getFamilySchemas } from '../control-plane/state/family-schemas.ts';
import type { AccountProfile } from '../core/accounts/accounts.ts';
import { SetupError } from '../core/errors.ts';
import type { Rule } from '../core/faults/fault-rules.ts';
import { readTextFile } from '../core/files.ts';
import { parseJson } from '../core/json.ts';
import { endSentence } from '../core/sentence.ts';
import type { ClockMode } from '../core/time/clock.ts';
import { FAMILIES } from '../families/index.ts';
import { apiKey, PROFILE, resolveProfile } from '../http/account-profile.ts';
import { formatPath } from '../http/issue-messages.ts';
import { parseUntrusted } from '../http/parse-untrusted.ts';
import type { PriceOverrides, PriceTable } from '../http/prices.ts';
import { DEFAULT_SEED_FILE } from '../paths.ts';

const MAX_PRICE = 1_000_000_000;
/** Enough for a hundred thousand accounts. One of them may have rules of this size. */
const MAX_FILE_BYTES = MAX_INITIAL_RULES_BYTES;

/** A strict object of optional fields whose error for an unknown field lists the known ones. */
function partialObject<T extends z.ZodType>(shape: Record<string, T>) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? undefined : `expected an object with prices for ${known}`),
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
const SeedAccount = z.strictObject({ key: apiKey, ...PROFILE, faults: createInitialRulesSchema(NewRule).optional() });

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
  defaults: z.strictObject(PROFILE).default({}),
  /** Prices that differ from the vendor's, by family. */
  prices: PriceOverridesSchema.default({}),
  /** For editors. */
  $schema: z.string().optional(),
};
/** Absent accounts: those of the default seed file. */
const SeedFile = z.strictObject({ accounts: z.array(AccountOrDocument).optional(), ...FIELDS });

/** The schemas of files, for editors. */
export const FILE_SCHEMAS = {
  state: Document,
  seedFile: z
    .union([z.strictObject({ accounts: z.array(z.union([SeedAccount, Document])).optional(), ...FIELDS }), Document])
    .meta({ title: 'A seed file of nanophoto-emulator' }),
};

export interface Seed {
  /** Initial values of accounts that do not give their own. */
  newAccount: AccountProfile;
  accounts: { key: string; profile: AccountProfile }[];
  /** The accounts that are documents of an export. */
  states: { document: Document; source: StateSource }[];
  /** The key of the first account; undefined without accounts. */
  firstKey: string | undefined;
  priceOverrides: Readonly<Record<string, PriceOverrides>>;
}

/** Where the document of an export comes from, for errors. */
export interface StateSource {
  /** Such as "The seed file a.json". */
  name: string;
  /** The path of the document in its file, such as `accounts[1]`; empty if it is the whole file. */
  path: string;
}

/** The content of a state besides the seed file, with the name for errors. */
export interface ExtraState extends Pick<StateSource, 'name'> {
  content: unknown;
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
  extraStates: readonly ExtraState[] = [],
): Seed {
  const content = file === undefined ? undefined : readJsonFile(file);
  const {
    defaults: fileDefaults,
    accounts = readDefaultSeedFile().accounts ?? [],
    prices,
  } = file === undefined ? readDefaultSeedFile() : parseSeedFile(file, content);
  const duplicateKey = findDuplicateKey(accounts);
  if (duplicateKey)
    throw new SetupError(`The seed file ${file} has the key ${duplicateKey} twice; remove one of the two.`);

  const { rateLimit, speed, failureRate, seed, clock: mode, faultLimit = Number.POSITIVE_INFINITY } = defaults;
  const extraDocuments = extraStates.map(({ content, name }) => ({
    account: parse(Document, content, name),
    source: { name, path: '' },
  }));
  const duplicateState = findDuplicateKey(extraDocuments.map(({ account }) => account));
  if (duplicateState) throw new SetupError(`Two states have the key ${duplicateState}; remove one of the two.`);
  const extraKeys = new Set(extraDocuments.map(({ account }) => keyOf(account)));
  const inFile = accounts.map((account, index) => ({
    account,
    source: { name: nameSeedFile(file), path: isDocument(content) ? '' : `accounts[${index}]` },
  }));
  const all = [...extraDocuments, ...inFile.filter(({ account }) => !extraKeys.has(keyOf(account)))];
  const profiles = all.flatMap(({ account }) => ('format' in account ? [] : [account]));
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
    states: all.flatMap(({ account, source }) => ('format' in account ? [{ document: account, source }] : [])),
    firstKey: all[0] && keyOf(all[0].account),
    priceOverrides: prices,
  };
}

const keyOf = (account: z.output<typeof AccountOrDocument>): string =>
  'format' in account ? account.account.key : account.key;

function findDuplicateKey(accounts: readonly z.output<typeof AccountOrDocument>[]): string | undefined {
  const keys = new Set<string>();
  return accounts.map(keyOf).find((key) => keys.size === keys.add(key).size);
}

const nameSeedFile = (file = DEFAULT_SEED_FILE): string => `The seed file ${file}`;

/** @throws SetupError naming the first error */
function parse<Schema extends z.ZodType>(schema: Schema, content: unknown, name: string): z.output<Schema> {
  const parsed = parseUntrusted(schema, content);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues as [z.core.$ZodIssue];
  throw new SetupError(formatInvalid({ name, path: '' }, formatPath(path), message));
}

/** The sentence about an error in a part of a file. */
export function formatInvalid({ name, path }: StateSource, part: string, reason: string): string {
  const location = [path, part].filter((text) => text !== '').join('.');
  return `${name} is invalid at ${location || 'the top level'}: ${endSentence(reason)}`;
}

let defaultSeedFile: z.output<typeof SeedFile> | undefined;

/** Reads and validates the default seed file once per process: it is part of the package, so it does not change. */
function readDefaultSeedFile(): z.output<typeof SeedFile> {
  defaultSeedFile ??= parseSeedFile(DEFAULT_SEED_FILE, readJsonFile(DEFAULT_SEED_FILE));
  return defaultSeedFile;
}

/** Validates the content of a seed file. @throws SetupError naming the first error */
export function parseSeedFile(file: string, content: unknown): z.output<typeof SeedFile> {
  if (!isDocument(content)) return parse(SeedFile, content, nameSeedFile(file));
  return { accounts: [parse(Document, content, nameSeedFile(file))], defaults: {}, prices: {} };
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
