import { readSeedFile } from '../server/seed-file.ts';
import { type Config, formatSetting, SETTING_NAMES, toCamelCase } from '../settings/config.ts';

/**
 * Formats the effective settings, and the prices that the seed file overrides.
 *
 * @throws SetupError when the seed file is invalid
 */
export function formatConfig(config: Config): string {
  const values: Record<string, unknown> = config;
  const settings = SETTING_NAMES.map((name) => `${name.padEnd(24)} ${formatSetting(name, values[toCamelCase(name)])}`);
  const prices = Object.entries(readSeedFile(config.seedFile, config).priceOverrides).map(
    ([family, overrides]) => `price of ${family.padEnd(15)} ${JSON.stringify(overrides)}`,
  );
  return [...settings, ...prices].join('\n');
}
