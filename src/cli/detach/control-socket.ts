import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SetupError } from '../../core/errors.ts';

/** Facts about an emulator that runs in the background. */
export interface DetachedEmulator {
  url: string;
  port: number;
  pid: number;
  httpsPort?: number;
  /** Data directory, or `in memory`. */
  data: string;
  firstKey: string | null;
  /** Token that other machines need for the control plane, if they can reach it and the settings have none. */
  adminToken?: string;
  version: string;
}

/** The longest path of a Unix socket on macOS; Linux allows four bytes more. */
const MAX_SOCKET_PATH_BYTES = 103;
const STOP = 'stop\n';
const CONNECT_TIMEOUT_MS = 5000;

/**
 * Returns the directory for sockets, logs and certificates of detached emulators, and creates it. Only this user can
 * enter it: a process that connects to a socket there is trusted.
 *
 * @throws SetupError when the directory cannot be created, or other users can enter it
 */
export function openStateDir(): string {
  const uid = process.getuid?.();
  // On Windows, every user has a temporary directory of their own.
  const dir = join(tmpdir(), `nanophoto-emulator-user${uid === undefined ? '' : `-${uid}`}`);
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new SetupError(`${tmpdir()} is not writable; set TMPDIR to a writable directory.`, { cause });
    }
  }
  const stats = lstatSync(dir);
  const isPrivate = uid === undefined || (stats.uid === uid && (stats.mode & 0o077) === 0);
  if (stats.isDirectory() && isPrivate) return dir;
  throw new SetupError(
    `${dir} is not a directory that only this user can use; remove it, or set TMPDIR to another directory.`,
  );
}

/** Returns the file for the CA bundle of programs that use the emulator at `port`. */
export const getTrustFile = (port: number) => join(openStateDir(), `${port}.pem`);

/**
 * Returns the path of the control socket of the emulator at `port`. On Windows, it is a named pipe instead of a file.
 *
 * @throws SetupError when the path is too long, and as `openStateDir` does
 */
export function getSocketPath(port: number): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\nanophoto-emulator-${port}`;
  const path = join(openStateDir(), `${port}.sock`);
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  throw new SetupError(`The path ${tmpdir()} is too long for a socket; set TMPDIR to a shorter one.`);
}

/**
 * Accepts the connections of `stop` and `env` to this emulator. The operating system closes the socket with
 * the process: an open connection proves that the emulator runs, a closed one that its process is gone. The socket
 * file of a killed process accepts no connections and is replaced.
 *
 * @throws SetupError when an emulator of this user at the same port runs already
 */
export async function serveControlSocket(emulator: DetachedEmulator, stop: () => void): Promise<void> {
  const { port } = emulator;
  const path = getSocketPath(port);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.setEncoding('utf8').on('data', (text: string) => text === STOP && stop());
    socket.write(`${JSON.stringify(emulator)}\n`);
  });
  try {
    await listen(server, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const running = await findDetached(port);
    if (running) throw alreadyRuns(running);
    rmSync(path, { force: true });
    await listen(server, path);
  }
  const files = [getTrustFile(port), ...(process.platform === 'win32' ? [] : [path])];
  process.on('exit', () => {
    for (const file of files) rmSync(file, { force: true });
  });
}

/** Listens at a path. Later errors have no effect: a connection that cannot be accepted must not end the process. */
const listen = (server: Server, path: string) =>
  new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(path, resolve);
  });

export const alreadyRuns = ({ port, pid }: DetachedEmulator) =>
  new SetupError(
    `An emulator already runs on port ${port} (pid ${pid}); ` +
      `stop it with nanophoto-emulator stop --port ${port}, or choose another port with --port.`,
  );

/** Finds the detached emulator at `port`. Undefined: none of this user runs there. */
export async function findDetached(port: number): Promise<DetachedEmulator | undefined> {
  const connection = await connectTo(port, CONNECT_TIMEOUT_MS);
  connection?.socket.destroy();
  return connection?.emulator;
}

/**
 * Stops the detached emulator at `port` and waits until its process is gone. Resolves with false when none runs there.
 *
 * @throws SetupError when the process does not end within `timeoutMs`
 */
export async function stopDetached(port: number, timeoutMs: number): Promise<boolean> {
  const connection = await connectTo(port, timeoutMs);
  if (!connection) return false;
  const { socket, emulator } = connection;
  const isGone = await new Promise<boolean>((resolve) => {
    socket.on('timeout', () => resolve(false));
    // Also after an error, which is how the connection ends if the process exits before it has read the command.
    socket.on('close', () => resolve(true));
    socket.write(STOP);
  });
  if (isGone) return true;
  throw new SetupError(
    `The emulator on port ${port} did not stop within ${timeoutMs / 1000} s; end the process ${emulator.pid}.`,
  );
}

/**
 * Connects to the socket at `port` and reads the facts. Undefined: no process accepts the connection. The connection
 * is closed when nothing is sent on it for `timeout` milliseconds.
 */
function connectTo(port: number, timeout: number): Promise<{ socket: Socket; emulator: DetachedEmulator } | undefined> {
  const socket = connect({ path: getSocketPath(port), timeout });
  socket.setEncoding('utf8').on('timeout', () => socket.destroy());
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
      if (!text.endsWith('\n')) return;
      resolve({ socket, emulator: JSON.parse(text) });
    });
    // The reason does not matter: without a connection, no emulator of this user runs there.
    socket.on('error', () => {});
    socket.on('close', () => resolve(undefined));
  });
}
