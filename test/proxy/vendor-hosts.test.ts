import { describe, expect, it } from 'vitest';
import { isVendorHost } from '../../src/proxy/vendor-hosts.ts';

const LABEL = 'a'.repeat(63);

describe('isVendorHost', () => {
  it.each([
    'nanophoto.ai',
    'NanoPhoto.AI',
    'www.nanophoto.ai',
    'a-1.b.nanophoto.ai',
    `${LABEL}.nanophoto.ai`,
    `${'a.'.repeat(8)}nanophoto.ai`,
  ])('accepts the main host and its subdomains: %s', (host) => {
    expect(isVendorHost(host)).toBe(true);
  });

  it.each([
    '',
    'ai',
    '.ai',
    'nanophoto',
    'nanophoto-ai',
    'nanophotoxai',
    'www-nanophoto.ai',
    'evilnanophoto.ai',
    'nanophoto.ai.evil.com',
    'nanophoto.aim',
    'nanophoto.ai.',
    'nanophoto.ai\n',
    'nanophoto.ai:443',
    '.nanophoto.ai',
    'a..nanophoto.ai',
    '*.nanophoto.ai',
    'a_b.nanophoto.ai',
    `a${LABEL}.nanophoto.ai`,
    `${'a.'.repeat(9)}nanophoto.ai`,
  ])('rejects other hosts: %j', (host) => {
    expect(isVendorHost(host)).toBe(false);
  });
});
