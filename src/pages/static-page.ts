import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import { isOutOfDescriptors, lazy } from '../core/file-descriptors.ts';
import type { App } from '../http/context.ts';
import type { ErrorTable } from '../http/pipeline/error-table.ts';
import { registerPageRoute } from '../http/pipeline/page-route.ts';

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

const loadModules = lazy(() => Promise.all([import('negotiator'), import('node:zlib')]));

export interface StaticPage {
  /** Path of the page. A balancer may serve it below a prefix, so the page must only use relative URLs. */
  path: `/${string}`;
  /** Build output: `page.html`, and the compressed files in `folder`. */
  dir: string;
  /** Folder of the files, both below `path` and below `dir`. */
  folder: '' | `${string}/`;
  /**
   * Pattern of the file names. Names contain a hash of the content, so browsers may cache files forever. A name that
   * does not match never becomes part of a file system path.
   */
  filePattern: string;
  /** The directives of the page's content security policy. */
  policy: readonly string[];
  /** Sent with the page and with its files. */
  headers?: Readonly<Record<string, string>>;
}

/** Serves a page and its files from the build output, without authentication: the page itself contains no data. */
export function registerStaticPage(
  app: App,
  { path, dir, folder, filePattern, policy, headers = {} }: StaticPage,
): void {
  /** @throws EmulatorError `codeIfMissing` when the file cannot be read */
  const readPageFile = (name: string, codeIfMissing: string) =>
    readFile(join(dir, name)).catch((error: Error) => {
      if (isOutOfDescriptors(error)) throw error;
      throw new EmulatorError(codeIfMissing, error.message);
    });

  async function sendPage(_request: FastifyRequest, reply: FastifyReply) {
    const page = await readPageFile('page.html', 'SERVICE_UNAVAILABLE');
    reply.headers({ ...SECURITY_HEADERS, ...headers });
    reply.headers({ 'content-security-policy': policy.join('; '), 'cache-control': 'no-cache' });
    return reply.type('text/html; charset=utf-8').send(page);
  }

  /** The contents of files, as sent: a client that does not read its responses costs no memory. */
  const contents = new Map<string, Promise<Buffer>>();
  function getContent(name: string, load: () => Promise<Buffer>): Promise<Buffer> {
    let content = contents.get(name);
    if (!content) {
      content = load();
      contents.set(name, content);
      content.catch(() => contents.delete(name));
    }
    return content;
  }

  async function sendFile(request: FastifyRequest, reply: FastifyReply) {
    const { file } = request.params as { file: string };
    const compressed = await getContent(`${file}.gz`, () => readPageFile(`${folder}${file}.gz`, 'NOT_FOUND'));
    const [{ default: Negotiator }, { gunzip }] = await loadModules();
    reply.headers({
      ...SECURITY_HEADERS,
      ...headers,
      'content-type': CONTENT_TYPES[extname(file)],
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
    });
    if (new Negotiator(request).encoding(['gzip', 'identity']) !== 'gzip') {
      return getContent(file, () => promisify(gunzip)(compressed));
    }
    return reply.header('content-encoding', 'gzip').send(compressed);
  }

  registerPageRoute(app, path, sendPage, { errors: ERRORS });
  // Fastify adds the length of an empty body only to GET.
  registerPageRoute(app, `${path}/`, (_request, reply) => reply.header('content-length', 0).redirect(`..${path}`, 308));
  registerPageRoute(app, `${path}/${folder}:file(^${filePattern}$)`, sendFile, { isSharedBody: true });
}
