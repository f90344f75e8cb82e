import { writeFileSync } from 'node:fs';
import { startEmulator } from '../dist/index.js';

// Writes the served documents to files, for readers of the repository and for tools that need a file.
const DOCUMENTS = {
  'docs/openapi.json': '/openapi.json',
  'docs/openapi-control-plane.json': '/__admin/openapi.json',
};
const root = new URL('..', import.meta.url);

const emulator = await startEmulator();
for (const [file, path] of Object.entries(DOCUMENTS)) {
  const response = await fetch(emulator.url + path, { headers: { connection: 'close' } });
  const text = JSON.stringify(await response.json(), null, 2);
  writeFileSync(new URL(file, root), `${text.replaceAll(emulator.url, 'http://127.0.0.1:6266')}\n`);
}
await emulator.close();
