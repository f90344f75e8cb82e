import * as z from 'zod';
import { createFaultRuleSchema } from '../control-plane/fault-rule-schema.ts';
import type { AccountProfile } from '../core/accounts/accounts.ts';
import { SetupError } from '../core/errors.ts';
import type { Rule } from '../core/faults/fault-rules.ts';
import { readTextFile } from '../core/files.ts';
import { parseJson } from '../core/json.ts';
import type { PriceOverrides, PriceTable } from '../core/ledger/prices.ts';
import type { ClockMode } from '../core/time/clock.ts';
import { FAMILIES } from '../families/index.ts';
import { apiKey, PROFILE, resolveProfile, strict } from '../http/account-profile.ts';
import { DEFAULT_SEED_FILE } from '../paths.ts';

const MAX_PRICE = 1_000_000_000;
/** Enough for a hundred thousand accounts. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** As deep as the body of a request, because a fault rule may have such a body. */
const MAX_NESTING = 512;

/** A strict object of optional fields whose error for an unknown field lists the known ones. */
function partialObject<T extends z.ZodType>(shape: Record<string, T>) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no ${JSON.stringify(issue.keys[0])}, only ${known}`
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

const Faults = z.array(createFaultRuleSchema(FAMILIES));

const SeedFile = strict({
  /** Initial values of all accounts that do not give their own, including auto-created ones. */
  defaults: strict(PROFILE).default({}),
  /** Absent: the accounts of the default seed file. */
  accounts: z.array(strict({ key: apiKey, ...PROFILE, faults: Faults.optional() })).optional(),
  /** Prices that differ from the vendor's, by family. */
  prices: PriceOverridesSchema.default({}),
});

export interface Seed {
  /** Initial values of accounts that do not give their own. */
  newAccount: AccountProfile;
  accounts: { key: string; profile: AccountProfile }[];
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

/** Reads a seed file, or the default one. @throws SetupError naming the first error in the file */
export function readSeedFile(file: string | undefined, defaults: SeedDefaults): Seed {
  const {
    defaults: fileDefaults,
    accounts = loadSeedFile(DEFAULT_SEED_FILE).accounts ?? [],
    prices,
  } = loadSeedFile(file ?? DEFAULT_SEED_FILE);
  const keys = new Set<string>();
  const duplicateKey = accounts.find(({ key }) => keys.size === keys.add(key).size)?.key;
  if (duplicateKey)
    throw new SetupError(`The seed file ${file} has the key ${duplicateKey} twice; remove one of the two.`);

  const { rateLimit, speed, failureRate, seed, clock: mode, faultLimit = Number.POSITIVE_INFINITY } = defaults;
  const overLimit = accounts.find(({ faults = [] }) => faults.length > faultLimit);
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
    accounts: accounts.map(({ key, faults, ...profile }) => ({
      key,
      profile: { ...resolveProfile(profile, newAccount), ...(faults && { faults: faults as Rule[] }) },
    })),
    priceOverrides: prices,
  };
}

const loadSeedFile = (file: string) => parseSeedFile(file, readJsonFile(file));

/** Validates the content of a seed file. @throws SetupError naming the first error */
export function parseSeedFile(file: string, content: unknown): z.output<typeof SeedFile> {
  const parsed = SeedFile.safeParse(content);
  if (parsed.success) return parsed.data;
  const [{ path, message } = { path: [], message: '' }] = parsed.error.issues;
  const location = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  throw new SetupError(`The seed file ${file} is invalid at ${location.replace(/^\./, '') || 'its top'}: ${message}.`);
}

/** Reads the content of a seed file without validating it. @throws SetupError when it cannot be read or is not JSON */
export function readJsonFile(file: string): unknown {
  let text: string;
  try {
    text = readTextFile(file, MAX_FILE_BYTES);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? '; check the path after --seed-file' : `: ${message}`;
    throw new SetupError(`The seed file ${file} cannot be read${reason}.`, { cause });
  }
  try {
    return parseJson(text, { maxNesting: MAX_NESTING });
  } catch (cause) {
    throw new SetupError(`The seed file ${file} is not valid JSON: ${(cause as Error).message}.`, { cause });
  }
}
