import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import scalar from '@scalar/fastify-api-reference';
import Fastify from 'fastify';

/** Where Scalar is, for the notices. */
export const SCALAR = fileURLToPath(import.meta.resolve('@scalar/fastify-api-reference'));

/** The page at /docs and its one script, whose name tells its content: browsers may keep it. */
export async function writeReference(dir) {
  const script = `${await scalarScript()}\n${await readFile('src/docs-page/start.js', 'utf8')}`;
  const hash = createHash('sha256').update(script).digest('hex').slice(0, 16);
  const page = await readFile('src/docs-page/page.html', 'utf8');
  await mkdir(dir, { recursive: true });
  await writeFile(`${dir}/reference-${hash}.js.gz`, gzipSync(script, { level: 9 }));
  await writeFile(`${dir}/page.html`, page.replace('docs/reference.js', `docs/reference-${hash}.js`));
}

/** Without the dependencies of the package that it is made in: the plugin has it in itself, and serves it. */
async function scalarScript() {
  const app = Fastify();
  app.register(scalar, { routePrefix: '/scalar', configuration: { url: '/openapi.json' } });
  const { statusCode, payload } = await app.inject('/scalar/js/scalar.js');
  if (statusCode !== 200) throw new Error('@scalar/fastify-api-reference serves its script somewhere else');
  return payload;
}
