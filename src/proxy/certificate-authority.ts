import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { SetupError } from '../core/errors.ts';
import { makeDir } from '../core/storage/database.ts';
import { systemClock } from '../core/time/clock.ts';
import type { KeyAndCertificate, Validity } from './certificates.ts';
import { isVendorHost, VENDOR_HOST } from './vendor-hosts.ts';

const FILE = 'authority.pem';
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** Longer ones are refused by some systems. */
const LEAF_DAYS = 397;
/** There are few names to ask by, and who makes some up gets no more than these. */
const MAX_CONTEXTS = 50;

export interface Authority {
  /** For who is to trust it, in PEM. */
  certificate: string;
  /** What a connection for this host is encrypted with; hosts that are not the vendor's are given the vendor's. */
  contextFor(host: string): Promise<SecureContext>;
}

/**
 * Signs certificates for the vendor's hosts, and can sign none for any other: its own certificate says so. With a data
 * directory it is made once and kept there, readable for its owner alone; else it is made anew and lives in memory.
 * @throws SetupError when what is kept cannot be read or written
 */
export async function openAuthority(dataDir: string | undefined): Promise<Authority> {
  // What makes certificates takes long to load, and most emulators make none.
  const { createLeaf: makeLeaf, toPem } = await import('./certificates.ts');
  const authority = await (dataDir === undefined ? generateAuthority() : loadOrCreate(join(dataDir, FILE)));
  const certificate = authority.certificate.toString('pem');
  const contexts = new Map<string, Promise<SecureContext>>();

  async function createContext(host: string): Promise<SecureContext> {
    const leaf = await toPem(await makeLeaf(authority, host, validityFor(LEAF_DAYS)));
    return createSecureContext({ key: leaf.key, cert: `${leaf.certificate}\n${certificate}` });
  }

  return {
    certificate,
    contextFor(host) {
      // The vendor's own and its subdomains share one.
      const isDeepSubdomain = isVendorHost(host) && host.split('.').length > 3;
      const name = isDeepSubdomain ? host.toLowerCase() : VENDOR_HOST;
      const cached = contexts.get(name);
      if (cached) return cached;
      if (contexts.size >= MAX_CONTEXTS) contexts.clear();
      const context = createContext(name);
      contexts.set(name, context);
      context.catch(() => contexts.delete(name));
      return context;
    },
  };
}

async function generateAuthority(): Promise<KeyAndCertificate> {
  const { createAuthority: makeAuthority } = await import('./certificates.ts');
  return makeAuthority(validityFor(AUTHORITY_DAYS));
}

async function loadOrCreate(path: string): Promise<KeyAndCertificate> {
  const { fromPem } = await import('./certificates.ts');
  const pem = readIfExists(path) ?? (await createFile(path));
  let authority: KeyAndCertificate;
  try {
    authority = await fromPem(pem);
  } catch (cause) {
    throw new SetupError(`${path} is damaged; remove it, and a new authority is made.`, { cause });
  }
  if (authority.certificate.notAfter.getTime() < systemClock.nowMs()) {
    throw new SetupError(`${path} has expired; remove it, and a new authority is made.`);
  }
  return authority;
}

function readIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SetupError(`${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}

/** Whole or not at all; of two processes that make one at the same time the first counts. */
async function createFile(path: string): Promise<string> {
  const { toPem } = await import('./certificates.ts');
  const { key, certificate } = await toPem(await generateAuthority());
  const tempPath = `${path}.${randomUUID()}`;
  try {
    makeDir(dirname(path));
    writeFileSync(tempPath, `${key}\n${certificate}\n`, { mode: 0o600, flag: 'wx' });
    linkOrRename(tempPath, path);
  } catch (cause) {
    if (cause instanceof SetupError) throw cause;
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new SetupError(`${path} cannot be written: ${(cause as Error).message}.`, { cause });
    }
  } finally {
    rmSync(tempPath, { force: true });
  }
  return readIfExists(path)!;
}

/** Does not replace what is there. Some file systems have no links, and there a rename has to do. */
function linkOrRename(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) throw error;
    renameSync(from, to);
  }
}

/** From a day ago on, because two machines' clocks differ. */
function validityFor(count: number): Validity {
  const nowMs = systemClock.nowMs();
  return { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + (count - 1) * DAY_MS) };
}
