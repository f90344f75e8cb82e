import { MIN_EMBEDDED_LENGTH } from './redaction.ts';

const CREDENTIAL_HEADER = /auth(?!ors?\b)|key|token|secret|passw|cookie|session/i;
/** Not a credential: a client may send a different value with each request. */
const IDEMPOTENCY_HEADER = /idempotency-key$/i;

export const isCredentialHeader = (name: string): boolean =>
  CREDENTIAL_HEADER.test(name) && !IDEMPOTENCY_HEADER.test(name);

/** Finds the credentials in the headers of a request. */
export function findCredentials(headers: NodeJS.Dict<string | string[]>): string[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (!isCredentialHeader(name)) return [];
    const values = [value ?? []].flat();
    // A program without a key sends the scheme alone, which is a word that responses contain.
    const withoutScheme = values.map((one) => one.replace(/^\w+\s+|^(?:bearer|basic)$/i, '').trim()).filter(Boolean);
    if (/^(?:proxy-)?authorization$/.test(name)) return [...withoutScheme, ...withoutScheme.flatMap(decodeBasic)];
    const cookies = values.flatMap((one) => one.split(';')).map((one) => one.slice(one.indexOf('=') + 1).trim());
    return [...withoutScheme, ...cookies].filter((one) => one.length >= MIN_EMBEDDED_LENGTH);
  });
}

/** Returns the user name and password of Basic authentication, and the password alone. */
function decodeBasic(token: string): string[] {
  const decoded = Buffer.from(token, 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon < 1 || !/^[\x20-\x7e]*$/.test(decoded)) return [];
  return [decoded, decoded.slice(colon + 1)].filter((one) => one.length >= MIN_EMBEDDED_LENGTH);
}
