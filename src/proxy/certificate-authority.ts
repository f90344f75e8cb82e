import { randomUUID } from 'node:crypto';
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { SetupError } from '../core/errors.ts';
import { lazy } from '../core/file-descriptors.ts';
import { makeDir, readTextFile } from '../core/files.ts';
import { Date } from '../core/globals.ts';
import { systemClock } from '../core/time/clock.ts';
import type { KeyAndCertificate, Validity } from './certificates.ts';
import { isVendorHost, VENDOR_HOST } from './vendor-hosts.ts';

const FILE = 'authority.pem';
/** A key and a certificate have about two kilobytes. */
const MAX_FILE_BYTES = 64 * 1024;
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** Some systems reject server certificates that are valid for longer. */
const LEAF_DAYS = 397;
/**
 * Host names with a certificate of their own. Clients use few, and creating one takes 10 ms: for further subdomains, which
 * a client made up, there is the certificate of the main host.
 */
const MAX_CONTEXTS = 50;

/** The module is slow to load, and most processes create no certificates. */
const loadCertificates = lazy(() => import('./certificates.ts'));

export interface Authority {
  /** The certificate for clients to trust, in PEM. */
  certificate: string;
  /** Returns the TLS context for a host. Hosts that are not the vendor's get the context of the vendor's main host. */
  contextFor(host: string): Promise<SecureContext>;
}

/**
 * Opens the certificate authority for the vendor's hosts. Name constraints in its certificate keep it from signing for
 * other hosts. With a data directory it is created once and stored there, readable by its owner only; otherwise it is
 * created in memory.
 * @throws SetupError when the stored authority cannot be read or written, is damaged or has expired
 */
export async function openAuthority(dataDir: string | undefined): Promise<Authority> {
  const { createLeaf, toPem } = await loadCertificates();
  const authority = await (dataDir === undefined ? generateAuthority() : loadOrCreate(join(dataDir, FILE)));
  const certificate = authority.certificate.toString('pem');
  const contexts = new Map<string, Promise<SecureContext>>();

  async function createContext(host: string): Promise<SecureContext> {
    const leaf = await toPem(await createLeaf(authority, host, validityFor(LEAF_DAYS)));
    return createSecureContext({ key: leaf.key, cert: `${leaf.certificate}\n${certificate}` });
  }

  return {
    certificate,
    contextFor(host) {
      // The main host and its direct subdomains share a wildcard certificate.
      const isDeepSubdomain = isVendorHost(host) && host.split('.').length > 3;
      const ownName = isDeepSubdomain ? host.toLowerCase() : VENDOR_HOST;
      const name = contexts.has(ownName) || contexts.size < MAX_CONTEXTS ? ownName : VENDOR_HOST;
      const cached = contexts.get(name);
      if (cached) return cached;
      const context = createContext(name);
      contexts.set(name, context);
      context.catch(() => contexts.delete(name));
      return context;
    },
  };
}

async function generateAuthority(): Promise<KeyAndCertificate> {
  const { createAuthority } = await loadCertificates();
  return createAuthority(validityFor(AUTHORITY_DAYS));
}

async function loadOrCreate(path: string): Promise<KeyAndCertificate> {
  const { fromPem } = await loadCertificates();
  const pem = readIfExists(path) ?? (await createFile(path));
  let authority: KeyAndCertificate;
  try {
    authority = await fromPem(pem);
  } catch (cause) {
    throw new SetupError(`${path} is damaged; remove it to create a new certificate authority.`, { cause });
  }
  if (authority.certificate.notAfter.getTime() < systemClock.nowMs()) {
    throw new SetupError(`${path} has expired; remove it to create a new certificate authority.`);
  }
  return authority;
}

function readIfExists(path: string): string | undefined {
  try {
    return readTextFile(path, MAX_FILE_BYTES);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SetupError(`${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}

/** Creates the file atomically. If another process creates it at the same time, the first one wins. */
async function createFile(path: string): Promise<string> {
  const { toPem } = await loadCertificates();
  const { key, certificate } = await toPem(await generateAuthority());
  const tempPath = `${path}.${randomUUID()}`;
  try {
    makeDir(dirname(path), 0o700);
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

/** Moves a file without replacing an existing one. On file systems without hard links it falls back to a rename. */
function linkOrRename(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) throw error;
    renameSync(from, to);
  }
}

/** Returns a validity that starts a day ago, because the clocks of client and server may differ. */
function validityFor(days: number): Validity {
  const nowMs = systemClock.nowMs();
  return { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + (days - 1) * DAY_MS) };
}
