import { describe, expect, it } from 'vitest';
import { findCredentials } from '../../src/http/credentials.ts';
import { createRedactor, redactSignedUrls } from '../../src/http/redaction.ts';

describe('redaction of short keys', () => {
  it.each([
    ['lim', 'API_KEY_RATE_LIMIT_EXCEEDED, limits, lim-1, pre-lim, LIMIT, %4clima'],
    ['429', '{"remaining":14290,"id":"a429","b":"4290"}'],
    ['prompt', 'prompts, generate-prompt, promptId'],
  ])('keeps words that contain the key %s', (key, text) => {
    expect(createRedactor([key])(text)).toBe(text);
  });

  // id: short-keys-redacted-as-words
  it.each([
    ['lim', 'lim', '[key]'],
    ['lim', '{"key":"lim"}', '{"key":"[key]"}'],
    ['lim', 'Bearer lim, LIM. /lim/ lim@x', 'Bearer [key], [key]. /[key]/ [key]@x'],
    ['lim', String.raw`"a\nlim" \u000alim \x0alim`, String.raw`"a\n[key]" \u000a[key] \x0a[key]`],
    ['lim', '%22lim%22 %0alim a%3Dlim a%253Dlim', '%22[key]%22 %0a[key] a%3D[key] a%253D[key]'],
    ['lim', 'l%69m &#108;im', '[key] [key]'],
    ['$a$', 'x$a$y', 'x[key]y'],
    // Shorter keys are words; from 8 characters on, a key is replaced everywhere.
    ['np_abcd', 'xnp_abcdy np_abcd', 'xnp_abcdy [key]'],
    ['np_abcde', 'xnp_abcdey', 'x[key]y'],
  ])('replaces the key %s as a whole word: %s', (key, text, redacted) => {
    expect(createRedactor([key])(text)).toBe(redacted);
  });

  // id: short-key-redaction-takes-linear-time
  it.each(['lim', 'xlim', '%2', '\\u00', '-'])('takes little time for long runs of %s', (run) => {
    const text = run.repeat(200_000);
    expect(createRedactor(['lim', 'limx'])(text)).toBe(text);
  });
});

describe('redaction of many credentials', () => {
  // id: many-credentials-take-little-time
  it('takes little time, although the pattern of each takes 100 ms to compile', () => {
    const credentials = Array.from({ length: 100 }, (_, n) => `c${n}${'-session'.repeat(20)}`);
    const redact = createRedactor([...credentials, String.raw`\\\\back\\slash`]);
    expect(redact('https://x.com/a%20b')).toBe('https://x.com/a%20b');
    const text = `%20 %63${credentials[1]!.slice(1)} back%5cslash \\`;
    expect(redact(text)).toBe('%20 [key] [key] \\');
  }, 5000);

  it('leaves ids of requests, which differ each time, as they are', () => {
    const headers = { 'idempotency-key': 'order-number-1', 'x-idempotency-key': 'order-number-2', 'x-key': 'key-of-x' };
    expect(new Set(findCredentials(headers))).toEqual(new Set(['key-of-x']));
  });
});

describe('redaction of signed URLs', () => {
  const SIGNED = 'https://video.example.com/sora/a.mp4?X-Amz-Date=20260101T000000Z&X-Amz-Signature=0123abcd';

  it.each([
    [SIGNED, 'https://video.example.com/sora/a.mp4?[key]'],
    [`see <a href="${SIGNED}">here</a>`, 'see <a href="https://video.example.com/sora/a.mp4?[key]">here</a>'],
    [JSON.stringify({ url: SIGNED }), '{"url":"https://video.example.com/sora/a.mp4?[key]"}'],
    [
      JSON.stringify(JSON.stringify({ url: SIGNED })),
      JSON.stringify(JSON.stringify({ url: 'https://video.example.com/sora/a.mp4?[key]' })),
    ],
    [String.raw`"https:\/\/x.com\/a.mp4?a=1\u0026sig=b"`, String.raw`"https:\/\/x.com\/a.mp4?[key]"`],
    ['https%3A%2F%2Fx.com%2Fa.mp4%3Ftoken%3Dabc', 'https%3A%2F%2Fx.com%2Fa.mp4%3F[key]'],
    ['https://x.com/a.mp4?a=1&amp;Signature=b', 'https://x.com/a.mp4?[key]'],
    ['https://x.com/a:b/c.mp4?psh=HXVzZXItTUpXU1hCQW45', 'https://x.com/a:b/c.mp4?[key]'],
    ['https://x.com/a,https://me:secret@x.com/b?token=1', 'https://x.com/a,https://[key]'],
    ['https://x.com/?token=1,https://me:secret@x.com/b', 'https://x.com/?[key]'],
    ['https://x.com/?to=https://me:p@ss@y.com', 'https://x.com/?to=https://[key]'],
    ['https://x.com/?u=http%3A%2F%2Fme:p%40s@y.com', 'https://x.com/?u=http%3A%2F%2F[key]'],
    ['https://me:secret@x.com/a.mp4 and ftp://me@x.com', 'https://[key]@x.com/a.mp4 and ftp://[key]@x.com'],
    ['https%3A%2F%2Fme%3Asecret%40x.com%2Fa.mp4', 'https%3A%2F%2F[key]@x.com%2Fa.mp4'],
    ['https://x.com/b,https%253A%252F%252Fme%2540x.com', 'https://x.com/b,https%253A%252F%252F[key]'],
    ['https://x.com/?a=1&pwd=b https://x.com/?pass=b', 'https://x.com/?[key] https://x.com/?[key]'],
    ['https://x.com/a#state=1&access_token=b', 'https://x.com/a#[key]'],
  ])('replaces the query: %s', (text, redacted) => {
    expect(redactSignedUrls(text)).toBe(redacted);
  });

  it.each([
    'https://www.youtube.com/watch?v=W-15-UmGP5s',
    'https://example.com/cat.png?width=300&height=200',
    'https://example.com/a/very/long/path/without/any/query/at/all.mp4',
    'https://example.com/a%40b#a-heading-of-more-than-twenty-characters',
    'https://example.com/,https://example.com/@user?to=https://example.com/a@b',
    'A dog? key=value, token=1: https://example.com, and what?signature=none',
  ])('keeps a text without one: %s', (text) => {
    expect(redactSignedUrls(text)).toBe(text);
  });

  // id: signed-url-redaction-takes-linear-time
  it.each([
    '://',
    '%3a%2f%2f',
    '://a?',
    '://?sig',
    'sig',
    '@',
    '\\',
    '://a@',
    '://a?%',
    '://a%25',
    '%25',
    ':%25',
    '#',
    '%23',
    '%40',
  ])('takes little time for long runs of %s', (run) => {
    const text = run.repeat(200_000);
    for (const one of [text, `https://x.com/?${text}x`]) {
      expect(redactSignedUrls(one).length).toBeLessThanOrEqual(one.length + 20);
    }
  });
});
