import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// Builds the package: the bundles and the type declarations. npm runs it before packing.
const root = fileURLToPath(new URL('..', import.meta.url));
const types = `${root}dist/types/`;

execFileSync(process.execPath, [`${root}scripts/build.mjs`], { stdio: 'inherit' });
execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '--project', 'tsconfig.types.json'], {
  cwd: root,
  stdio: 'inherit',
});
// The compiler keeps `.ts` in the imports of declarations, but the package does not contain the sources.
const files = readdirSync(types, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.d.ts'));
for (const file of files) {
  const text = readFileSync(types + file, 'utf8');
  writeFileSync(types + file, text.replace(/(['"]\.{1,2}\/[\w/-]+)\.ts(?=['"])/g, '$1.js'));
}
// The declarations are those of CommonJS, as dist/package.json says.
writeFileSync(`${root}dist/index.d.mts`, "export * from './types/client/entry.js';\n");
renameSync(`${types}testing/vitest.d.ts`, `${types}testing/vitest.d.mts`);
