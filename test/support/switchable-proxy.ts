import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A TCP proxy that can switch to another emulator, as if one had been restarted on the same port. */
export async function openSwitchableProxy(url: string) {
  let target: number | undefined = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  let isPaused = false;
  const queued: (() => void)[] = [];
  const server = createServer((socket) => {
    const inner = target === undefined ? undefined : connect(target, '127.0.0.1');
    const closeBoth = () => {
      socket.destroy();
      inner?.destroy();
      sockets.delete(socket);
    };
    sockets.add(socket);
    for (const one of [socket, inner]) one?.on('error', closeBoth).on('close', closeBoth);
    if (!inner) return closeBoth();
    // While paused, queue the data of both directions.
    const forward = (to: Socket) => (bytes: Buffer) =>
      void (isPaused ? queued.push(() => to.write(bytes)) : to.write(bytes));
    socket.on('data', forward(inner));
    inner.on('data', forward(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Closes all connections, and every new one until `switchTo` is called. */
    disconnect(): void {
      target = undefined;
      for (const socket of sockets) socket.destroy();
    },
    /** Delivers no data until `resume` is called. */
    pause(): void {
      isPaused = true;
    },
    resume(): void {
      isPaused = false;
      for (const write of queued.splice(0)) write();
    },
    switchTo(url: string): void {
      target = Number(new URL(url).port);
    },
  };
}
