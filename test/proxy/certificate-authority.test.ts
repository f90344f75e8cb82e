import { execFileSync } from 'node:child_process';
import { webcrypto, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, isIP } from 'node:net';
import { join } from 'node:path';
import { connect, createServer, type DetailedPeerCertificate } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Authority, openAuthority } from '../../src/proxy/certificate-authority.ts';
import { createAuthority, createLeaf, fromPem, toPem } from '../../src/proxy/certificates.ts';
import { tempDir } from '../support/temp-dir.ts';

const FOR_A_YEAR = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 3e10) };

/** Verifies a certificate of the authority for a host as a client that trusts only this authority. */
async function opinionOf(pem: string, host: string): Promise<string> {
  const authority = await fromPem(pem);
  const { key, certificate } = await toPem(await createLeaf(authority, host, FOR_A_YEAR));
  const server = createServer({ key, cert: certificate }, (socket) => socket.end());
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ca = authority.certificate.toString('pem');
  return new Promise((resolve) => {
    const name = isIP(host) ? {} : { servername: host };
    const socket = connect({ port, host: '127.0.0.1', ...name, ca }, () => {
      resolve('trusted');
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.message));
  });
}

const DAY_MS = 86_400_000;

/** Returns the certificates that a server with the context of this host sends, its own first. */
async function sentFor(authority: Authority, host: string): Promise<X509Certificate[]> {
  const server = createServer({
    SNICallback: (name, done) => void authority.contextFor(name).then((context) => done(null, context)),
  });
  server.on('secureConnection', (socket) => socket.end());
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // Without trusted certificates the client sees only those that the server sends.
  const socket = connect({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const chain: X509Certificate[] = [];
  for (let one: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true); one; ) {
    chain.push(new X509Certificate(one.raw));
    one = one.issuerCertificate === one ? undefined : one.issuerCertificate;
  }
  socket.destroy();
  return chain;
}

describe('certificate authority', () => {
  it('is not read from a named pipe', async () => {
    const dir = tempDir();
    execFileSync('mkfifo', [join(dir, 'authority.pem')]);
    await expect(openAuthority(dir)).rejects.toThrow(/authority\.pem cannot be read: it is not a regular file\.$/);
  });

  it('is created once in a data directory, readable by its owner only', async () => {
    const dir = tempDir();
    const { certificate } = await openAuthority(dir);
    const file = join(dir, 'authority.pem');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toContain('PRIVATE KEY');
    expect((await openAuthority(dir)).certificate).toBe(certificate);
    expect(certificate).not.toContain('PRIVATE KEY');
  });

  it('is the same one for two processes that create it concurrently', async () => {
    const dir = tempDir();
    const made = await Promise.all(Array.from({ length: 5 }, () => openAuthority(dir)));
    expect(new Set(made.map(({ certificate }) => certificate)).size).toBe(1);
  });

  it('is a new one each time without a data directory', async () => {
    const [one, other] = await Promise.all([openAuthority(undefined), openAuthority(undefined)]);
    expect(one!.certificate).not.toBe(other!.certificate);
  });

  it.each(['', 'nonsense', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'])(
    'is rejected when the file is damaged: %j',
    async (text) => {
      const dir = tempDir();
      writeFileSync(join(dir, 'authority.pem'), text);
      await expect(openAuthority(dir)).rejects.toThrow(/authority\.pem is damaged; remove it/);
      expect(readFileSync(join(dir, 'authority.pem'), 'utf8')).toBe(text);
    },
  );

  it('is rejected when its parts do not match or the name constraints differ', async () => {
    const [dir, other] = [tempDir(), tempDir()];
    await Promise.all([openAuthority(dir), openAuthority(other)]);
    const [one, two] = [dir, other].map((at) => readFileSync(join(at, 'authority.pem'), 'utf8'));
    const [key] = one!.split('-----BEGIN CERTIFICATE');
    const [, certificate] = two!.split('-----BEGIN CERTIFICATE');
    const leaf = await toPem(await createLeaf(await fromPem(one!), 'nanophoto.ai', FOR_A_YEAR));
    for (const pem of [`${key}-----BEGIN CERTIFICATE${certificate}`, `${leaf.key}\n${leaf.certificate}\n`]) {
      writeFileSync(join(dir, 'authority.pem'), pem);
      await expect(openAuthority(dir)).rejects.toThrow(/authority\.pem is damaged; remove it/);
    }
  });

  it('is rejected when it has expired', async () => {
    const dir = tempDir();
    const past = { notBefore: new Date(0), notAfter: new Date(1000) };
    const { key, certificate } = await toPem(await createAuthority(past));
    writeFileSync(join(dir, 'authority.pem'), `${key}\n${certificate}\n`);
    await expect(openAuthority(dir)).rejects.toThrow(/authority\.pem has expired; remove it/);
  });

  it('fails with a setup error when the file cannot be written', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    await expect(openAuthority(file)).rejects.toThrow(/authority\.pem cannot be read/);
    await expect(openAuthority('/proc/nowhere')).rejects.toThrow(/authority\.pem cannot be written/);
  });

  // id: authority-limited-to-vendor-hosts
  it('can only sign for the vendor hosts, even if its key is stolen', async () => {
    const dir = tempDir();
    await openAuthority(dir);
    const pem = readFileSync(join(dir, 'authority.pem'), 'utf8');
    expect(await opinionOf(pem, 'nanophoto.ai')).toBe('trusted');
    expect(await opinionOf(pem, 'video.nanophoto.ai')).toBe('trusted');
    expect(await opinionOf(pem, 'example.com')).toMatch(/permitted subtree violation/);
    expect(await opinionOf(pem, 'notnanophoto.ai')).toMatch(/permitted subtree violation/);
    for (const address of ['127.0.0.1', '::1'])
      expect(await opinionOf(pem, address)).toMatch(/excluded subtree violation/);
  });
});

describe('TLS contexts', () => {
  it('include the certificate of the authority', async () => {
    const authority = await openAuthority(undefined);
    const [own, signer, ...more] = await sentFor(authority, 'a.b.nanophoto.ai');
    expect(own!.subjectAltName).toBe('DNS:a.b.nanophoto.ai');
    expect(signer!.raw).toEqual(new X509Certificate(authority.certificate).raw);
    expect(more).toEqual([]);
  });

  it('have certificates that are valid from a day ago, for no longer than all systems accept', async () => {
    const authority = await openAuthority(undefined);
    const [own, signer] = await sentFor(authority, 'nanophoto.ai');
    const dayAgoMs = Date.now() - DAY_MS;
    for (const [certificate, days] of [
      [own!, 397],
      [signer!, 3650],
    ] as const) {
      const [fromMs, toMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
      expect(fromMs).toBeLessThanOrEqual(dayAgoMs);
      expect(fromMs).toBeGreaterThan(dayAgoMs - 60_000);
      expect(toMs - fromMs).toBe(days * DAY_MS);
    }
  });

  it('are shared by the main host, direct subdomains and foreign hosts, not by deeper subdomains', async () => {
    const { contextFor } = await openAuthority(undefined);
    const vendors = await contextFor('nanophoto.ai');
    for (const host of ['NanoPhoto.ai', 'video.nanophoto.ai', 'example.com', 'a.b.c.example.com'])
      expect(await contextFor(host)).toBe(vendors);
    const deeper = await contextFor('a.b.nanophoto.ai');
    expect(deeper).not.toBe(vendors);
    expect(await contextFor('A.b.NanoPhoto.ai')).toBe(deeper);
    expect(await contextFor('a.c.nanophoto.ai')).not.toBe(deeper);
  });

  // id: made-up-subdomains-share-certificate
  it('are created for at most 50 host names; further ones share that of the main host', async () => {
    const { contextFor } = await openAuthority(undefined);
    const vendors = await contextFor('nanophoto.ai');
    const names = Array.from({ length: 49 }, (_, index) => `a${index}.b.nanophoto.ai`);
    const contexts = await Promise.all(names.map(contextFor));
    expect(new Set([vendors, ...contexts]).size).toBe(50);
    expect(await contextFor('one.more.nanophoto.ai')).toBe(vendors);
    expect(await contextFor(names[0]!)).toBe(contexts[0]);
  });

  it('are created again after a failure', async () => {
    const { contextFor } = await openAuthority(undefined);
    const making = vi.spyOn(webcrypto.subtle, 'generateKey').mockRejectedValueOnce(new Error('no luck'));
    onTestFinished(() => making.mockRestore());
    await expect(contextFor('nanophoto.ai')).rejects.toThrow('no luck');
    expect(await contextFor('nanophoto.ai')).toBeDefined();
  });
});
