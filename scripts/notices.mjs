import { readdirSync, readFileSync } from 'node:fs';

const PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;

const RULER = `\n${'-'.repeat(80)}\n\n`;

/** The names and licences of the packages that contain these files. The licences require them in every copy. */
export function noticesOf(files) {
  const dirs = files.map((file) => PACKAGE.exec(file)?.[1]);
  return formatNotices([...new Set(dirs.filter(Boolean))]);
}

/** The names and licences of the packages in these folders. */
export function formatNotices(dirs) {
  const notices = dirs.map((dir) => {
    const { name, version, license, author } = JSON.parse(readFileSync(`${dir}/package.json`, 'utf8'));
    const file = readdirSync(dir).find((entry) => /^(licen[cs]e|copying)(\.\w+)?$/i.test(entry));
    const by = typeof author === 'string' ? author : (author?.name ?? '');
    const text = file ? readFileSync(`${dir}/${file}`, 'utf8').trim() : `Licence: ${license}. ${by}`.trim();
    return `${name} ${version}\n\n${text}\n`;
  });
  return notices.sort().join(RULER);
}
