import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer as createNetServer, type Server } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Fixture } from '../fixture.ts';
import { type AttackName, SCENARIOS } from './scenarios.ts';
import { createTraffic, toBytes } from './traffic.ts';

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Runs a scenario against a server and returns what it reports. Each choice picks the item at `choice`. */
async function runScenario(name: AttackName, port: number, choice = 0): Promise<string[]> {
  const problems: string[] = [];
  const traffic = createTraffic(port);
  await SCENARIOS[name]({
    ...{ url: `http://127.0.0.1:${port}`, fixture: { media: ['/media/a.mp4'] } as Fixture, traffic },
    pick: (list) => list[choice % list.length]!,
    createAccounts: async (count) => Array.from({ length: count }, (_, n) => `key-${n}`),
    report: (problem) => problems.push(problem),
  });
  traffic.closeAll();
  return problems;
}

describe('fuzz scenarios', () => {
  it('report a server that accepts tunnels in tunnels', async () => {
    const server = createNetServer((socket) =>
      socket.on('error', () => {}).on('data', () => socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')),
    );
    expect(await runScenario('nested tunnels', await listen(server), 2)).toEqual([
      '80 tunnels inside each other were established',
    ]);
  });

  it('accept a server that refuses tunnels in tunnels', async () => {
    const server = createNetServer((socket) => {
      let count = 0;
      const respond = () =>
        socket.write(count++ === 0 ? 'HTTP/1.1 200 Connection Established\r\n\r\n' : 'HTTP/1.1 403 Forbidden\r\n\r\n');
      socket.on('error', () => {}).on('data', respond);
    });
    expect(await runScenario('nested tunnels', await listen(server), 2)).toEqual([]);
  });

  it('report errors of the server, and lists that fail afterwards', async () => {
    const server = createHttpServer((request, response) => {
      request.resume();
      response.writeHead(request.method === 'GET' ? 500 : 200).end();
    });
    expect(await runScenario('many tasks', await listen(server))).toEqual([
      'GET /__admin/accounts/key-0/tasks?limit=1000 returned 500: ',
      'GET /__admin/accounts/key-0/ledger?limit=1000 returned 500: ',
    ]);
  });

  it('report a server that reads refused uploads without end', async () => {
    const server = createHttpServer((request, response) => {
      request.resume();
      response.writeHead(401).end();
    });
    expect(await runScenario('refused uploads', await listen(server), 1)).toEqual([
      '2 refused uploads of 80 MiB were not cut off',
    ]);
  });

  it('report requests without a response', async () => {
    let count = 0;
    const server = createHttpServer((request, response) => {
      request.resume();
      if (++count === 20) response.destroy();
      else response.end();
    });
    expect(await runScenario('expensive pages', await listen(server))).toContainEqual(
      expect.stringMatching(/^\d+ responses to 40 requests$/),
    );
  });

  it('report responses that are read late and are not those of a serial request', async () => {
    let count = 0;
    const server = createHttpServer((_, response) => {
      response.end('x'.repeat(++count < 10 ? 200_000 : 100_000));
    });
    expect(await runScenario('pipelining without reading', await listen(server), 1)).toEqual([
      '/openapi.json: 200 with 100000 bytes instead of 200000',
    ]);
  });
});

describe('fuzz traffic', () => {
  it('writes no more than an unread connection takes', async () => {
    let written = 0;
    const server = createHttpServer((_, response) => {
      written += 1;
      response.end(Buffer.alloc(1024 * 1024));
    });
    const traffic = createTraffic(await listen(server));
    const socket = await traffic.sendUnread(
      Array.from({ length: 20 }, () => toBytes('GET', '/')),
      { writeMs: 1000, holdMs: 200 },
    );
    expect(written).toBe(20);
    const { responses, problem } = await traffic.read(socket, { count: 20, maxBytes: Infinity, timeoutMs: 10_000 });
    expect(problem).toBeUndefined();
    expect(responses.map(({ body }) => body.length)).toEqual(Array(20).fill(1024 * 1024));
  });
});
