import fc from 'fast-check';
import { hostileTexts } from './attack-cases.ts';
import type { Fixture } from './fixture.ts';
import type { Draft } from './requests.ts';

/** Keeps only single-byte characters; the byte-level cases cover the rest. */
const toHeaderText = (text: string) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '').slice(0, 6000);
const value = hostileTexts.map(toHeaderText);

/** One header each, which replaces the original or is added to it. */
const headers = (fixture: Fixture): fc.Arbitrary<[string, string]> => {
  const header = (name: string, ...values: string[]): fc.Arbitrary<[string, string]> =>
    fc
      .oneof({ weight: 4, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: value })
      .map((text) => [name, text]);
  return fc.oneof(
    header(
      'Content-Type',
      ...[
        '',
        'text/plain',
        'application/json; charset=utf-16',
        'APPLICATION/JSON',
        'application/json;',
        'application/json;;a=',
        'application/x-www-form-urlencoded',
      ],
      ...[
        'multipart/form-data; boundary=x',
        'application/vnd.api+json',
        '/',
        'application/json, text/html',
        'a/b; c="\\',
      ],
    ),
    header(
      'Authorization',
      ...[
        '',
        'Bearer',
        'Bearer ',
        'bearer stable-real',
        'BEARER  stable-real',
        'Basic Y2FsbS1yZWFsOg==',
        'Bearer stable-real stable-auto',
        'Bearer \xe9\xe8',
        'stable-real',
        'Bearer\tstable-real',
      ],
      `Bearer np_test_${'a'.repeat(192)}`,
      `Bearer np_test_${'a'.repeat(193)}`,
      'Bearer __proto__',
    ),
    header('Content-Encoding', 'gzip', 'br', 'identity', 'x', ''),
    header('Expect', '100-continue', '200-ok', ''),
    header(
      'Host',
      '',
      'nanophoto.ai',
      'video.nanophoto.ai',
      'static.nanophoto.ai',
      'evil.example',
      'localhost',
      '[::1',
      'a b',
      '127.0.0.1:99999',
      'x'.repeat(3000),
    ),
    header('Origin', 'null', 'https://evil.example', `http://${fixture.host}`, 'x', 'https://[', ''),
    header('Connection', 'close', 'keep-alive', 'upgrade', 'close, keep-alive', ''),
    header('Upgrade', 'websocket', 'h2c', 'TLS/1.0'),
    header(
      'Range',
      'bytes=0-0',
      'bytes=-1',
      'bytes=5-2',
      'bytes=0-1,3-4',
      `bytes=${'0-1,'.repeat(500)}`,
      'bytes=99999999999999999999-',
      'items=0-1',
      'bytes=',
    ),
    header('If-None-Match', '*', '"x"', 'W/"x"', '"', '"a","b'),
    header('If-Match', '*', '"x"', ''),
    header('If-Range', '"x"', 'Wed, 21 Oct 2015 07:28:00 GMT', 'yesterday'),
    header('If-Modified-Since', 'Wed, 21 Oct 2015 07:28:00 GMT', 'x', 'Sat, 31 Feb 99999 00:00:00 GMT'),
    header('If-Unmodified-Since', 'Wed, 21 Oct 2015 07:28:00 GMT', 'x'),
    header('Accept', 'text/html', '*/*;q=0', 'application/xml', 'x'),
    header('Accept-Encoding', 'gzip', 'identity;q=0, *;q=0', 'br;q=2'),
    header('X-Forwarded-For', '10.0.0.1', '::', 'x, y'),
    header('X-Forwarded-Proto', 'https', 'gopher'),
    header('X-Admin-Token', 'x', ''),
    header('X-Http-Method-Override', 'DELETE'),
    header('Cookie', 'a=b', ';;;='),
    header('Content-Length', '0', '00', '1', '-1', '+5', '5, 5', '99999999999', '1e3', '0x10', '18446744073709551616'),
    header('Transfer-Encoding', 'chunked', 'gzip, chunked', 'identity', 'chunked, chunked', 'xchunked'),
    header(
      'X-Emulator-Fault',
      'fail',
      'fail=INTERNAL_ERROR',
      'cut=10',
      'delay=5ms',
      'explode',
      'duration=1s',
      'fail=NONE,hang',
    ),
    fc.tuple(fc.constantFrom('__proto__', 'constructor', 'X-Empty', '!#$%&', 'a'.repeat(500)), value),
  );
};

/** A valid request with unusual headers. */
export const withOddHead = (draft: fc.Arbitrary<Draft>, fixture: Fixture): fc.Arbitrary<Draft> =>
  fc
    .tuple(
      draft,
      fc.array(headers(fixture), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 29 }),
      fc.boolean(),
    )
    .map(([base, oddHeaders, flood, keepsOriginal]) => {
      const replaced = oddHeaders.map(([name]) => name.toLowerCase());
      const kept = base.headers.filter(([name]) => keepsOriginal || !replaced.includes(name.toLowerCase()));
      // Sometimes exceeds the server's limits for the number or size of headers.
      const extraHeaders: [string, string][] =
        flood === 0
          ? Array.from({ length: 2500 }, (_, index) => [`x-${index}`, 'y'])
          : flood === 1
            ? [['x-large', 'y'.repeat(20_000)]]
            : [];
      return { ...base, isLoose: true, headers: [...kept, ...oddHeaders, ...extraHeaders] };
    });

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'M-SEARCH',
  'QUERY',
  'BREW',
  'get',
];

/** Targets other than documented operations: other paths and methods, files, pages, and absolute-form targets. */
export function oddTargets(
  draft: fc.Arbitrary<Draft>,
  fixture: Fixture,
  pages: readonly string[],
): fc.Arbitrary<Draft> {
  const { host, media } = fixture;
  const key: [string, string] = ['Authorization', 'Bearer stable-real'];
  const createDraft = (path: string, method = 'GET'): Draft => ({
    ...{ operation: `${method} ${path.startsWith('/media') ? '/media' : path.slice(0, 20)}`, method, path },
    ...{ headers: [key], body: Buffer.alloc(0), isLoose: true },
  });
  const file = fc.constantFrom(...media);
  const oddPaths = fc.constantFrom(
    ...[
      '/',
      '//',
      '/%',
      '/%00',
      '/%ff',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/../../../../etc/passwd',
      '/media/../../package.json',
      '/media/sora/..%2f..%2fx.mp4',
    ],
    ...[
      '/media',
      '/media/',
      '/media/sora/task_.mp4',
      '/media/sora/task_x.jpg',
      '/media/sora/TASK.mp4',
      '/docs/..%2fpackage.json',
      '/docs/../package.json',
    ],
    ...[
      '/api',
      '/api/',
      '/api/sora-2/generate/',
      '/api//sora-2/generate',
      '/API/sora-2/generate',
      '/api/sora-2/generate%3f',
      '/api/sora-2/generate;a=b',
      '/api/sora-2/generate?',
    ],
    ...[
      '/__admin',
      '/__admin/',
      '/__admin/x',
      '/__admin/accounts/',
      '/__admin/accounts/%',
      '/__admin/accounts/%ff/ledger',
      '/__admin/accounts//ledger',
      '/__ADMIN/accounts',
    ],
    ...[
      '*',
      '',
      '?',
      '#',
      '/#@emulator(fail)',
      '/favicon.ico',
      '/robots.txt',
      '/.env',
      '/index.html',
      '/constructor',
      '/__proto__',
      '/metrics/',
      '/health?x',
      '/ca.pem',
    ],
    `/${'a'.repeat(8000)}`,
    `/${'a/'.repeat(4000)}`,
    `/__admin/accounts/${'%41'.repeat(2000)}`,
    `/api/sora-2/generate?${'a=b&'.repeat(2000)}`,
  );
  const fileRequests = fc
    .tuple(file, fc.constantFrom('GET', 'HEAD', 'HEAD', 'OPTIONS', 'POST'))
    .map(([path, method]) => createDraft(path, method));
  const rangeRequests = fc
    .tuple(file, fc.constantFrom('bytes=0-99', 'bytes=-50', 'bytes=100-50', 'bytes=0-0,5-9', 'bytes=99999999-', 'x'))
    .map(([path, range]): Draft => ({ ...createDraft(path), headers: [['Range', range]] }));
  const absoluteFormRequests = fc
    .tuple(
      draft,
      fc.constantFrom(
        ...[
          `http://${host}`,
          `HTTP://${host}`,
          `http://localhost:${host.split(':')[1]}`,
          'https://nanophoto.ai',
          'http://www.nanophoto.ai',
          'http://video.nanophoto.ai',
        ],
        ...[
          'http://evil.example',
          'http://',
          'https://user@nanophoto.ai',
          'http://nanophoto.ai:99999',
          'ftp://nanophoto.ai',
          'http://[::1]',
          `http://${'a'.repeat(3000)}`,
        ],
      ),
    )
    .map(
      ([base, origin]): Draft => ({
        ...base,
        operation: 'absolute-form',
        target: origin + (base.target ?? base.path),
        isLoose: true,
      }),
    );
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .tuple(oddPaths, fc.constantFrom(...METHODS))
        .map(([path, method]): Draft => ({ ...createDraft(path, method), operation: 'odd path' })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(draft, fc.constantFrom(...METHODS))
        // Another method could change or remove an account whose responses are compared.
        .map(
          ([base, method]): Draft =>
            base.path.includes('/stable-')
              ? base
              : { ...base, method, operation: `${method} on another path`, isLoose: true },
        ),
    },
    { weight: 2, arbitrary: fileRequests },
    { weight: 1, arbitrary: rangeRequests },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...pages).map((path): Draft => ({ ...createDraft(path), operation: 'page' })),
    },
    { weight: 3, arbitrary: absoluteFormRequests },
  );
}
