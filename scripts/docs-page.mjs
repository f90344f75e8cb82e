import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import scalar from '@scalar/fastify-api-reference';
import Fastify from 'fastify';

/** The path of Scalar, for the licence notices. */
export const SCALAR = fileURLToPath(import.meta.resolve('@scalar/fastify-api-reference'));

/** Writes the page /docs and its script, whose name contains a hash of its content, so that browsers can cache it. */
export async function writeReference(dir) {
  const script = `${await scalarScript()}\n${await readFile('src/docs-page/start.js', 'utf8')}`;
  const hash = createHash('sha256').update(script).digest('hex').slice(0, 16);
  const page = await readFile('src/docs-page/page.html', 'utf8');
  await mkdir(dir, { recursive: true });
  await writeFile(`${dir}/reference-${hash}.js.gz`, gzipSync(script, { level: 9 }));
  await writeFile(`${dir}/page.html`, page.replace('docs/reference.js', `docs/reference-${hash}.js`));
}

/** Gets Scalar's bundled script from the plugin that serves it: the package it is built from has many dependencies. */
async function scalarScript() {
  const app = Fastify();
  app.register(scalar, { routePrefix: '/scalar', configuration: { url: '/openapi.json' } });
  const { statusCode, payload } = await app.inject('/scalar/js/scalar.js');
  if (statusCode !== 200) throw new Error('@scalar/fastify-api-reference serves its script at another path');
  return payload;
}
