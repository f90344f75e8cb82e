import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ruleOf } from '../control-plane/fault-rule-schema.ts';
import { key, PROFILE, profileOf, strict } from '../control-plane/schemas.ts';
import type { AccountProfile } from '../core/accounts/accounts.ts';
import { SetupError } from '../core/errors.ts';
import type { Rule } from '../core/faults/fault-rules.ts';
import type { PriceChanges, PriceTable } from '../core/ledger/prices.ts';
import type { ClockMode } from '../core/time/clock.ts';
import { FAMILIES } from '../families/index.ts';
import { isDocumented } from '../http/pipeline/errors.ts';
import { DEFAULT_SEED_FILE } from '../paths.ts';

const MOST_PRICE = 1_000_000_000;

/** An object that may have some of the keys of `shape`, and says which there are when it is given another. */
function someOf<T extends z.ZodType>(shape: Record<string, T>) {
  const known = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no ${JSON.stringify(issue.keys[0])}, only ${known}`
        : `expected an object with prices for ${known}`,
  });
}

/** What may stand in the seed file for a family that costs what `table` says. */
function changesOf(table: PriceTable): z.ZodType<PriceChanges> {
  if (typeof table === 'number') {
    const error = `expected a whole number of credits from 0 to ${MOST_PRICE}`;
    return z.int({ error }).min(0, { error }).max(MOST_PRICE, { error });
  }
  return someOf(
    Object.fromEntries(Object.entries(table).map(([option, price]) => [option, changesOf(price).optional()])),
  ) as z.ZodType<PriceChanges>;
}

const Prices = someOf(
  Object.fromEntries(FAMILIES.map(({ name, prices }) => [name, changesOf(prices).optional()])),
) as z.ZodType<Readonly<Record<string, PriceChanges>>>;

/** Which error codes there are is known when the families are registered, so those are looked at later. */
const Faults = z.array(ruleOf(FAMILIES, () => true));

const SeedFile = strict({
  /** What accounts start with where nothing else is said, self-made ones included. */
  defaults: strict(PROFILE).default({}),
  /** Missing: those of the default seed file. */
  accounts: z.array(strict({ key, ...PROFILE, faults: Faults.optional() })).optional(),
  /** Where the emulator should charge other prices than the vendor's, by family. */
  prices: Prices.default({}),
});

export interface Seed {
  /** What an account starts with where nothing else is said of it. */
  newAccount: AccountProfile;
  accounts: { key: string; profile: AccountProfile }[];
  priceChanges: Readonly<Record<string, PriceChanges>>;
}

/** What fills the gaps of the seed file. */
export interface SeedDefaults {
  rateLimit: number | null;
  speed: number;
  seed: string;
  clock: ClockMode;
  faultLimit?: number;
}

const DEFAULT_CREDITS = 1000;

/** `file` undefined: the default seed file. @throws SetupError naming the first thing wrong with the file. */
export function readSeed(file: string | undefined, defaults: SeedDefaults): Seed {
  const {
    defaults: common,
    accounts = readFile(DEFAULT_SEED_FILE).accounts ?? [],
    prices,
  } = readFile(file ?? DEFAULT_SEED_FILE);
  const keys = accounts.map(({ key }) => key);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice) throw new SetupError(`The seed file ${file} names the key ${twice} twice; keep one of the two.`);

  const { rateLimit, speed, seed, clock: mode, faultLimit = Number.POSITIVE_INFINITY } = defaults;
  const tooMany = accounts.find(({ faults = [] }) => faults.length > faultLimit);
  if (tooMany) {
    throw new SetupError(
      `The seed file ${file} gives ${tooMany.key} ${tooMany.faults?.length} rules, and there can be ${faultLimit}; take some out, or raise --fault-limit.`,
    );
  }
  const usual = { credits: DEFAULT_CREDITS, rateLimit, speed, seed, clock: { mode } };
  const newAccount = profileOf(common, usual);
  return {
    newAccount,
    accounts: accounts.map(({ key, faults, ...own }) => ({
      key,
      profile: { ...profileOf(own, newAccount), ...(faults && { faults: faults as Rule[] }) },
    })),
    priceChanges: prices,
  };
}

/**
 * For when the families are registered: whether the faults of accounts ask for error codes that there are.
 * @throws SetupError naming the first that is none
 */
export function checkCodes({ accounts }: Seed, file: string | undefined): void {
  for (const [place, { profile }] of accounts.entries()) {
    for (const [nth, { effect }] of (profile.faults ?? []).entries()) {
      if (effect.errorCode === undefined || isDocumented(effect.errorCode)) continue;
      const where = `accounts[${place}].faults[${nth}].effect.errorCode`;
      throw new SetupError(
        `The seed file ${file ?? DEFAULT_SEED_FILE} is wrong at ${where}: expected a documented error code.`,
      );
    }
  }
}

const readFile = (file: string) => assertSeedFile(file, parse(file));

/** What a seed file says. @throws SetupError naming the first thing that is wrong with it */
export function assertSeedFile(file: string, content: unknown): z.output<typeof SeedFile> {
  const parsed = SeedFile.safeParse(content);
  if (parsed.success) return parsed.data;
  const [{ path, message } = { path: [], message: '' }] = parsed.error.issues;
  const where = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  throw new SetupError(
    `The seed file ${file} is wrong at ${where.replace(/^\./, '') || 'its top'}: ${message}.`,
  );
}

function parse(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new SetupError(`The seed file ${file} cannot be read; check the path after --seed-file.`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SetupError(`The seed file ${file} is not valid JSON: ${(error as Error).message}.`);
  }
}
