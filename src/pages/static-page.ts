import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { EmulatorError } from '../core/errors.ts';
import type { App } from '../http/context.ts';
import type { ErrorTable } from '../http/pipeline/error-table.ts';
import { rejectWriteMethods } from '../http/pipeline/not-found.ts';

const SECURITY_HEADERS = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' };

const CONTENT_TYPES: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const ERRORS: ErrorTable = {
  SERVICE_UNAVAILABLE: {
    status: 503,
    error: 'This page is not built yet: run "npm run build" and load it again.',
  },
};

export interface StaticPage {
  /** Its address here; it may be below another one for those who call, so the page's own addresses are relative. */
  path: `/${string}`;
  /** Where the build has put `page.html`, and its packed files in `folder`. */
  dir: string;
  /** Of its files, below `path` as below `dir`. */
  folder: '' | `${string}/`;
  /** What their names are, as a pattern. They tell the content, so that browsers may keep it; no other name becomes a path. */
  filePattern: string;
  /** What the page may load and do: the directives of its content security policy. */
  policy: readonly string[];
  /** Sent with the page and with its files. */
  headers?: Readonly<Record<string, string>>;
}

/** A page that the build has made, for whoever reaches the port: it holds nothing. */
export function registerStaticPage(
  app: App,
  { path, dir, folder, filePattern, policy, headers = {} }: StaticPage,
): void {
  /** @throws EmulatorError with this code */
  const readPageFile = (name: string, codeIfMissing: string) =>
    readFile(join(dir, name)).catch((error: Error) => {
      throw new EmulatorError(codeIfMissing, error.message);
    });

  app.get(path, { config: { errors: ERRORS } }, async (_request, reply) => {
    const page = await readPageFile('page.html', 'SERVICE_UNAVAILABLE');
    reply.headers({ ...SECURITY_HEADERS, ...headers });
    reply.headers({ 'content-security-policy': policy.join('; '), 'cache-control': 'no-cache' });
    return reply.type('text/html; charset=utf-8').send(page);
  });

  app.get(`${path}/`, async (_request, reply) => reply.redirect(`..${path}`, 308));

  const files = `${path}/${folder}:file(^${filePattern}$)`;
  app.get(files, async (request, reply) => {
    const { file } = request.params as { file: string };
    const compressed = await readPageFile(`${folder}${file}.gz`, 'NOT_FOUND');
    // Few ask for it, and a start should not wait for it.
    const [{ default: Negotiator }, { gunzip }] = await Promise.all([import('negotiator'), import('node:zlib')]);
    reply.headers({
      ...SECURITY_HEADERS,
      ...headers,
      'content-type': CONTENT_TYPES[extname(file)],
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
    });
    if (new Negotiator(request).encoding(['gzip', 'identity']) !== 'gzip') return promisify(gunzip)(compressed);
    return reply.header('content-encoding', 'gzip').send(compressed);
  });

  for (const url of [path, `${path}/`, files]) rejectWriteMethods(app, url);
}
