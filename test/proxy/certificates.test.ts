import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { createAuthority, createLeaf } from '../../src/proxy/certificates.ts';

const VALIDITY = {
  notBefore: new Date('2026-01-01T00:00:00.000Z'),
  notAfter: new Date('2026-06-01T00:00:00.000Z'),
};
const NAME_CONSTRAINTS = '2.5.29.30';

const made = async (host = 'nanophoto.ai') => {
  const authority = await createAuthority(VALIDITY);
  const leaf = await createLeaf(authority, host, VALIDITY);
  return { authority: authority.certificate, leaf: leaf.certificate };
};
const isCritical = (certificate: x509.X509Certificate, type: string) => certificate.getExtension(type)?.critical;
/** Parses a certificate with node:crypto. */
const readByNode = (certificate: x509.X509Certificate) => new X509Certificate(certificate.toString('pem'));
const idsOf = (certificate: x509.X509Certificate) => ({
  own: certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
  signer: certificate.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId,
});

describe('authority certificate', () => {
  it('may sign server certificates, but no further authorities', async () => {
    const { authority } = await made();
    expect(authority.getExtension(x509.BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    });
    expect(authority.getExtension(x509.KeyUsagesExtension)).toMatchObject({
      usages: x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
      critical: true,
    });
    expect(authority.getExtension(x509.ExtendedKeyUsageExtension)!.usages).toEqual([x509.ExtendedKeyUsage.serverAuth]);
    // Critical: clients that do not support the extension reject the certificate.
    expect(isCritical(authority, NAME_CONSTRAINTS)).toBe(true);
    expect(readByNode(authority).ca).toBe(true);
  });

  it('has the given validity and is self-signed', async () => {
    const { authority } = await made();
    expect(authority).toMatchObject(VALIDITY);
    const read = readByNode(authority);
    expect(read.subject).toBe('CN=nanophoto-emulator local authority');
    expect(read.issuer).toBe(read.subject);
    expect(read.verify(read.publicKey)).toBe(true);
  });
});

describe('server certificate', () => {
  it('is for servers and may not sign', async () => {
    const { leaf } = await made();
    expect(leaf.getExtension(x509.BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
    expect(leaf.getExtension(x509.KeyUsagesExtension)).toMatchObject({
      usages: x509.KeyUsageFlags.digitalSignature,
      critical: true,
    });
    expect(leaf.getExtension(x509.ExtendedKeyUsageExtension)!.usages).toEqual([x509.ExtendedKeyUsage.serverAuth]);
    expect(readByNode(leaf).ca).toBe(false);
  });

  it('is signed by the authority, with the given validity', async () => {
    const { authority, leaf } = await made();
    expect(leaf).toMatchObject(VALIDITY);
    const [server, signer] = [readByNode(leaf), readByNode(authority)];
    expect(server.checkIssued(signer)).toBe(true);
    expect(server.verify(signer.publicKey)).toBe(true);
  });

  it.each([
    ['nanophoto.ai', 'DNS:nanophoto.ai, DNS:*.nanophoto.ai'],
    ['a.b.nanophoto.ai', 'DNS:a.b.nanophoto.ai'],
    ['127.0.0.1', 'IP Address:127.0.0.1'],
  ])('for %s has the names %s', async (host, names) => {
    const { leaf } = await made(host);
    expect(readByNode(leaf).subjectAltName).toBe(names);
    expect(readByNode(leaf).subject).toBe(`CN=${host}`);
  });
});

describe('certificates', () => {
  it('identify their own key and that of their signer', async () => {
    const { authority, leaf } = await made();
    expect(idsOf(authority)).toEqual({ own: expect.stringMatching(/^[0-9a-f]{40}$/), signer: undefined });
    expect(idsOf(leaf)).toEqual({
      own: expect.stringMatching(/^[0-9a-f]{40}$/),
      signer: idsOf(authority).own,
    });
    expect(idsOf(leaf).own).not.toBe(idsOf(authority).own);
  });

  it('have unique positive serial numbers of at most 20 bytes', async () => {
    const authority = await createAuthority(VALIDITY);
    const leaves = await Promise.all(Array.from({ length: 20 }, () => createLeaf(authority, 'nanophoto.ai', VALIDITY)));
    const numbers = [authority, ...leaves].map(({ certificate }) => readByNode(certificate).serialNumber);
    for (const number of numbers) {
      expect(number).toMatch(/^(?:[0-9A-F]{2}){8,20}$/);
      expect(Number.parseInt(number.slice(0, 2), 16)).toBeLessThan(0x80);
    }
    expect(new Set(numbers).size).toBe(21);
  });
});
