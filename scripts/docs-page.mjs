import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';

/** Path of Scalar's entry file, for the license notices. */
export const SCALAR = fileURLToPath(import.meta.resolve('@scalar/fastify-api-reference'));

/** Builds the page at /docs into `dir`. The script's name contains a hash of its content, so browsers may cache it. */
export async function writeDocsPage(dir) {
  const script = `${await readScalarScript()}\n${await readFile('src/docs-page/start.js', 'utf8')}`;
  const hash = createHash('sha256').update(script).digest('hex').slice(0, 16);
  const page = await readFile('src/docs-page/page.html', 'utf8');
  await mkdir(dir, { recursive: true });
  await writeFile(`${dir}/reference-${hash}.js.gz`, gzipSync(script, { level: 9 }));
  await writeFile(`${dir}/page.html`, page.replace('docs/reference.js', `docs/reference-${hash}.js`));
}

/** The packages in Scalar's script; `npm run notices` writes it. Its first line is the hash of the script. */
export const NOTICES_FILE = 'scripts/reference-notices.txt';

export const hashScript = (script) => createHash('sha256').update(script).digest('hex');

/** Returns the license notices of the packages in Scalar's script. */
export async function readReferenceNotices() {
  const [hash, ...lines] = (await readFile(NOTICES_FILE, 'utf8')).split('\n');
  if (hash !== hashScript(await readScalarScript()))
    throw new Error(`${NOTICES_FILE} belongs to another version of Scalar: run "npm run notices"`);
  return lines.join('\n').trim();
}

/**
 * Gets Scalar's browser script from its Fastify plugin, which contains it as a string. The plugin itself is not loaded:
 * the packages it imports need a newer Node.js and are replaced by empty ones (`overrides` in package.json).
 */
export async function readScalarScript() {
  const [, literal] = /^var standalone_default = (".*");$/m.exec(await readFile(SCALAR, 'utf8')) ?? [];
  if (!literal) throw new Error('@scalar/fastify-api-reference no longer contains its script as standalone_default');
  return runInNewContext(literal);
}
