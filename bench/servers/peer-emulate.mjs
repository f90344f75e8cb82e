// The Stripe API of emulate. Its command needs Node.js 22.15, its module does not. Arguments: the directory where it is
// installed, and the port.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [directory, port] = process.argv.slice(2);
const { createEmulator } = await import(pathToFileURL(join(directory, 'node_modules/emulate/dist/api.js')).href);
await createEmulator({ service: 'stripe', port: Number(port) });
