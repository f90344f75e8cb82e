// Loaded into every Node.js process under `exec` before anything else: fetch does not heed proxies by itself in versions that
// do not know NODE_USE_ENV_PROXY. Whatever the version is, the program has to run.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const supportsEnvProxy = major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21);

if (!supportsEnvProxy && process.env.HTTPS_PROXY) {
  try {
    // Where it is not needed, it is not loaded either.
    const { EnvHttpProxyAgent, setGlobalDispatcher } = require('undici') as typeof import('undici');
    setGlobalDispatcher(new EnvHttpProxyAgent());
  } catch {
    process.stderr.write(`nanophoto-emulator: fetch of Node.js ${process.version} cannot be led to the emulator.\n`);
  }
}

// Where fetch heeds proxies, Node.js warns on every start that this is new. The program under test did not ask for it.
const { emit } = process;
process.emit = function (this: NodeJS.Process, event: string, ...args: unknown[]) {
  const [warning] = args as [{ code?: string } | undefined];
  if (event === 'warning' && warning?.code === 'UNDICI-EHPA') return false;
  return Reflect.apply(emit, this, [event, ...args]);
} as typeof process.emit;

export {};
