import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { EmulatorError } from '../core/errors.ts';
import type { App } from '../http/context.ts';
import type { Problems } from '../http/pipeline/errors.ts';
import { refuseWrites } from '../http/pipeline/method-not-allowed.ts';

const SAFE = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' };

const TYPES: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const PROBLEMS: Problems = {
  SERVICE_UNAVAILABLE: {
    status: 503,
    error: 'This page is not built yet: run "npm run build" and load it again.',
  },
};

export interface BuiltPage {
  /** Its address here; it may be below another one for those who call, so the page's own addresses are relative. */
  path: `/${string}`;
  /** Where the build has put `page.html`, and its packed files in `folder`. */
  dir: string;
  /** Of its files, below `path` as below `dir`. */
  folder: '' | `${string}/`;
  /** What their names are, as a pattern. They tell the content, so that browsers may keep it; no other name becomes a path. */
  file: string;
  /** What the page may load and do: the directives of its content security policy. */
  policy: readonly string[];
  /** Sent with the page and with its files. */
  headers?: Readonly<Record<string, string>>;
}

/** A page that the build has made, for whoever reaches the port: it holds nothing. */
export function registerBuiltPage(
  app: App,
  { path, dir, folder, file, policy, headers = {} }: BuiltPage,
): void {
  /** @throws EmulatorError with this code */
  const read = (name: string, codeIfMissing: string) =>
    readFile(join(dir, name)).catch((error: Error) => {
      throw new EmulatorError(codeIfMissing, error.message);
    });

  app.get(path, { config: { problems: PROBLEMS } }, async (_request, reply) => {
    const page = await read('page.html', 'SERVICE_UNAVAILABLE');
    reply.headers({ ...SAFE, ...headers });
    reply.headers({ 'content-security-policy': policy.join('; '), 'cache-control': 'no-cache' });
    return reply.type('text/html; charset=utf-8').send(page);
  });

  app.get(`${path}/`, async (_request, reply) => reply.redirect(`..${path}`, 308));

  const files = `${path}/${folder}:file(^${file}$)`;
  app.get(files, async (request, reply) => {
    const { file } = request.params as { file: string };
    const packed = await read(`${folder}${file}.gz`, 'NOT_FOUND');
    // Few ask for it, and a start should not wait for it.
    const [{ default: Negotiator }, { gunzip }] = await Promise.all([
      import('negotiator'),
      import('node:zlib'),
    ]);
    reply.headers({
      ...SAFE,
      ...headers,
      'content-type': TYPES[extname(file)],
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
    });
    if (new Negotiator(request).encoding(['gzip', 'identity']) !== 'gzip') return promisify(gunzip)(packed);
    return reply.header('content-encoding', 'gzip').send(packed);
  });

  for (const url of [path, `${path}/`, files]) refuseWrites(app, url);
}
