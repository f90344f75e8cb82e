import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashScript, NOTICES_FILE, readScalarScript } from './docs-page.mjs';
import { formatNotices } from './notices.mjs';

/*
 * Writes the notices of the packages in Scalar's browser script, which are not installed here: the script comes as one
 * file. Its source map, in the package that it was built in, names them. Run it after each update of Scalar
 * (`npm run notices`); it downloads the packages into a temporary folder.
 */
const script = await readScalarScript();
const dir = mkdtempSync(join(tmpdir(), 'nanophoto-emulator-notices-'));
try {
  const plugin = JSON.parse(readFileSync('node_modules/@scalar/fastify-api-reference/package.json', 'utf8'));
  install({ reference: `npm:@scalar/api-reference@${plugin.devDependencies['@scalar/api-reference']}` });
  const built = join(dir, 'node_modules/reference/dist/browser/standalone.js');
  if (readFileSync(built, 'utf8') !== script) throw new Error("Scalar's two packages have different scripts");
  const { sources } = JSON.parse(readFileSync(`${built}.map`, 'utf8'));
  const packages = [...new Set([...sources.flatMap(findPackage), ...findStyles()])].sort();
  // Aliases, because the script can contain several versions of a package.
  install(Object.fromEntries(packages.map((spec, index) => [`bundled-${index}`, `npm:${spec}`])));
  const notices = formatNotices(packages.map((_, index) => join(dir, `node_modules/bundled-${index}`)));
  writeFileSync(NOTICES_FILE, `${hashScript(script)}\n\n${notices}`);
} finally {
  rmSync(dir, { recursive: true });
}

function install(dependencies) {
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const flags = ['--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags], { cwd: dir, stdio: 'inherit' });
}

/** Returns `name@version` for a path such as `node_modules/.pnpm/@vue+shared@3.5.40/node_modules/@vue/shared/…`. */
function findPackage(path) {
  const [, version, name] =
    /\/\.pnpm\/(?:@[^+/]+\+)?[^@/]+@([^_(/]+)[^/]*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
  if (!name && path.includes('node_modules')) throw new Error(`${path} does not name a package`);
  return name ? [`${name}@${version}`] : [];
}

/** Style sheets are not in the source map, but Tailwind leaves a comment. */
function findStyles() {
  const version = /tailwindcss v([\d.]+)/.exec(script)?.[1];
  return version ? [`tailwindcss@${version}`] : [];
}
