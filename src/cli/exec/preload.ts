// Loaded first into every Node.js process under `exec`: versions without NODE_USE_ENV_PROXY have a fetch that ignores
// the proxy variables. An unsupported version must not prevent the program from running.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const supportsEnvProxy = major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21);

if (!supportsEnvProxy && process.env.HTTPS_PROXY) {
  try {
    // Loaded only by versions that need it.
    const { EnvHttpProxyAgent, setGlobalDispatcher } = require('undici') as typeof import('undici');
    setGlobalDispatcher(new EnvHttpProxyAgent());
  } catch {
    process.stderr.write(`nanophoto-emulator: cannot redirect fetch of Node.js ${process.version} to the emulator.\n`);
  }
}

// Suppresses the experimental warning that some versions print at every start, as it is not meant for the program.
const { emit } = process;
process.emit = function (this: NodeJS.Process, event: string, ...args: unknown[]) {
  const [warning] = args as [{ code?: string } | undefined];
  if (event === 'warning' && warning?.code === 'UNDICI-EHPA') return false;
  return Reflect.apply(emit, this, [event, ...args]);
} as typeof process.emit;

export {};
