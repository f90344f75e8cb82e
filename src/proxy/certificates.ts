import type { Date } from '../core/globals.ts';
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { VENDOR_HOST } from './vendor-hosts.ts';

/*
 * Creates certificates with all extensions that strict clients require: key identifiers, key usages, critical
 * constraints. Slow to load; import it when it is needed.
 */

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const NAME_CONSTRAINTS = '2.5.29.30';

export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

export interface KeyAndCertificate {
  keys: CryptoKeyPair;
  certificate: x509.X509Certificate;
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

const generateKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;

/** Creates an authority that can only sign for servers under the vendor's host names (RFC 5280, section 4.2.1.10). */
export async function createAuthority(validity: Validity): Promise<KeyAndCertificate> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=nanophoto-emulator local authority',
    serialNumber: createSerialNumber(),
    ...validity,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.Extension(NAME_CONSTRAINTS, true, vendorNameConstraints()),
    ],
  });
  return { keys, certificate };
}

/** Creates a server certificate for a host; that of the vendor's main host is valid for its direct subdomains too. */
export async function createLeaf(
  authority: KeyAndCertificate,
  host: string,
  validity: Validity,
): Promise<KeyAndCertificate> {
  const keys = await generateKeys();
  const names = host === VENDOR_HOST ? [host, `*.${host}`] : [host];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${host}`,
    issuer: authority.certificate.subject,
    serialNumber: createSerialNumber(),
    ...validity,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(authority.keys.publicKey),
    ],
  });
  return { keys, certificate };
}

/** Encodes private key and certificate as PEM. */
export async function toPem({ keys, certificate }: KeyAndCertificate): Promise<{ key: string; certificate: string }> {
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { key: x509.PemConverter.encode(key, 'PRIVATE KEY'), certificate: certificate.toString('pem') };
}

/** Decodes an authority from PEM. @throws Error when key and certificate do not match or the constraints differ */
export async function fromPem(pem: string): Promise<KeyAndCertificate> {
  const [key, certificateDer] = x509.PemConverter.decode(pem);
  const certificate = new x509.X509Certificate(certificateDer!);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', key!, ALGORITHM, true, ['sign']);
  const publicKey = await webcrypto.subtle.importKey('spki', certificate.publicKey.rawData, ALGORITHM, true, [
    'verify',
  ]);
  const keys = { privateKey, publicKey };
  if (!(await isMatchingKeyPair(keys))) throw new Error('the key does not belong to the certificate');
  const constraints = certificate.getExtension(NAME_CONSTRAINTS);
  if (!constraints?.critical || !Buffer.from(vendorNameConstraints()).equals(Buffer.from(constraints.value))) {
    throw new Error("the certificate is not constrained to the vendor's hosts");
  }
  return { keys, certificate };
}

async function isMatchingKeyPair({ privateKey, publicKey }: CryptoKeyPair): Promise<boolean> {
  const challenge = randomBytes(16);
  const signature = await webcrypto.subtle.sign(ALGORITHM, privateKey, challenge);
  return webcrypto.subtle.verify(ALGORITHM, publicKey, signature, challenge);
}

/** Encodes an ASN.1 value of less than 128 bytes in DER. */
const encodeDer = (tag: number, ...parts: Uint8Array[]) =>
  Buffer.from([tag, Buffer.concat(parts).length, ...Buffer.concat(parts)]);
const SEQUENCE = 0x30;
const [PERMITTED, EXCLUDED] = [0xa0, 0xa1];
const [DNS_NAME, IP_ADDRESS] = [0x82, 0x87];

/** Permits only the vendor's host names, and excludes all IP addresses, which constraints on names do not cover. */
function vendorNameConstraints(): Uint8Array {
  const subtree = (tag: number, base: Uint8Array) => encodeDer(SEQUENCE, encodeDer(tag, base));
  return encodeDer(
    SEQUENCE,
    encodeDer(PERMITTED, subtree(DNS_NAME, Buffer.from(VENDOR_HOST))),
    encodeDer(EXCLUDED, subtree(IP_ADDRESS, Buffer.alloc(8)), subtree(IP_ADDRESS, Buffer.alloc(32))),
  );
}

/** Returns a random positive number (RFC 5280, section 4.1.2.2). */
const createSerialNumber = () => `01${randomBytes(15).toString('hex')}`;
