import { writeFileSync } from 'node:fs';
import { startEmulator } from '../dist/index.js';

// The documents as they are served, for who reads the repository and for tools that want a file.
const DOCUMENTS = {
  'docs/openapi.json': '/openapi.json',
  'docs/openapi-control-plane.json': '/__admin/openapi.json',
};
const root = new URL('..', import.meta.url);

const emulator = await startEmulator();
for (const [file, path] of Object.entries(DOCUMENTS)) {
  const answer = await fetch(emulator.url + path, { headers: { connection: 'close' } });
  const text = JSON.stringify(await answer.json(), null, 2);
  writeFileSync(new URL(file, root), `${text.replaceAll(emulator.url, 'http://127.0.0.1:6266')}\n`);
}
await emulator.close();
