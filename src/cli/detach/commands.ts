import { writeFileSync } from 'node:fs';
import { SetupError } from '../../core/errors.ts';
import { PRELOAD_FILE } from '../../paths.ts';
import type { Config } from '../../settings/config.ts';
import { buildCaBundle, FALLBACK_KEY, toApiVariables, toProxyVariables } from '../exec/environment.ts';
import { isReady } from '../healthcheck.ts';
import { findDetached, getTrustFile, stopDetached } from './control-socket.ts';

/** Longer than a graceful shutdown takes, which closes its last connections after 1.5 s. */
const STOP_TIMEOUT_MS = 10_000;

/** Stops the detached emulator at the port of these settings. @throws SetupError when none runs there */
export async function stop(config: Config): Promise<void> {
  if (!(await stopDetached(config.port, STOP_TIMEOUT_MS))) throw await noneDetached(config);
}

/**
 * Formats `export` lines for a POSIX shell whose programs use the detached emulator at the port of these settings: its
 * URL and first key, and with `proxy` the variables that redirect https://nanophoto.ai to it, as `exec` sets them.
 *
 * @throws SetupError when no detached emulator runs there
 */
export async function formatEnv(config: Config, proxy: boolean, env: NodeJS.ProcessEnv): Promise<string> {
  const emulator = await findDetached(config.port);
  if (!emulator) throw await noneDetached(config);
  const { url, firstKey } = emulator;
  const trustFile = getTrustFile(config.port);
  const target = { url, key: firstKey ?? FALLBACK_KEY, trustFile, preloadFile: PRELOAD_FILE };
  if (proxy) {
    const { fetchCaCertificate } = await import('../ca.ts');
    writeFileSync(trustFile, buildCaBundle(await fetchCaCertificate(url), env, trustFile));
  }
  const variables = { ...toApiVariables(target), ...(proxy && toProxyVariables(target, env)) };
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quote(value)}`)
    .join('\n');
}

const quote = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`;

async function noneDetached(config: Config): Promise<SetupError> {
  const { port } = config;
  if (await isReady(config)) {
    return new SetupError(
      `The emulator on port ${port} was not started by start --detach with this user and this TMPDIR; ` +
        'use the user and the TMPDIR that started it, or press Ctrl-C where it runs in the foreground.',
    );
  }
  return new SetupError(
    `No detached emulator runs on port ${port}; nanophoto-emulator start --detach --port ${port} starts one.`,
  );
}
