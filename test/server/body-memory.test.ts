import { describe, expect, it, onTestFinished } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { openRawConnection } from '../support/raw-http.ts';

const MIB = 1024 * 1024;
const BUDGET = ['--port', '0', '--memory-budget-mb', '16'];
const UNAVAILABLE = {
  success: false,
  error: expect.stringContaining('--memory-budget-mb'),
  errorCode: 'SERVICE_UNAVAILABLE',
};

async function listening(flags = BUDGET) {
  const emulator = await createTestEmulator(flags);
  const { port } = new URL(await emulator.listen());
  const open = async () => {
    const connection = await openRawConnection(port);
    onTestFinished(() => void connection.socket.destroy());
    return connection;
  };
  return { ...emulator, open, bodies: () => emulator.core.memory.usedBytes.bodies };
}

const head = (framing: string, path = '/api/sora-2/generate', headers = '') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer np_test_unlimited\r\n${headers}Content-Type: application/json\r\n${framing}\r\n\r\n`;
const sized = (body: string, path?: string, headers?: string) =>
  head(`Content-Length: ${body.length}`, path, headers) + body;
const ORDER = JSON.stringify({ prompt: 'x', mode: 'textToVideo', unknown: 'x'.repeat(900_000) });

describe('bodies that have not arrived completely', () => {
  // id: unfinished-bodies-bounded
  it('get 503 when they exceed the memory budget, once the client has sent the rest', async () => {
    const { open, bodies } = await listening();
    const connections = await Promise.all(Array.from({ length: 40 }, open));
    const request = sized(ORDER);
    for (const connection of connections) connection.write(request.slice(0, -1));
    await expect.poll(bodies).toBeGreaterThan(6 * MIB);
    await expect.poll(() => connections.every(({ socket }) => socket.writableLength === 0)).toBe(true);
    expect(bodies()).toBeLessThanOrEqual(8 * MIB);
    for (const connection of connections) connection.write('}');
    const responses = await Promise.all(connections.map(({ receive }) => receive(1)));
    const statuses = responses.map(([response]) => response!.status);
    expect([...new Set(statuses)].sort()).toEqual([200, 503]);
    const refused = responses[statuses.indexOf(503)]![0]!;
    expect(JSON.parse(refused.body.toString())).toEqual(UNAVAILABLE);
    await expect.poll(bodies).toBe(0);
  });

  it('are not counted when the client disconnects', async () => {
    const { open, bodies } = await listening();
    const connection = await open();
    connection.write(sized(ORDER).slice(0, -1));
    await expect.poll(bodies).toBeGreaterThan(800_000);
    connection.socket.destroy();
    await expect.poll(bodies).toBe(0);
  });

  it('take little more than their size in chunks of one byte', async () => {
    const { open, bodies } = await listening();
    const connection = await open();
    connection.write(head('Transfer-Encoding: chunked') + '1\r\n '.repeat(50_000).replaceAll(' ', ' \r\n'));
    await expect.poll(bodies).toBeGreaterThan(32_000);
    expect(bodies()).toBeLessThanOrEqual(100_000);
    connection.socket.destroy();
    await expect.poll(bodies).toBe(0);
  });

  it('are counted for uploads by what is kept of them', async () => {
    const { open, bodies } = await listening();
    const connection = await open();
    const upload = `{"videoSource":"file","videoFileName":"${'x'.repeat(500_000)}","videoFile":"${'A'.repeat(4 * MIB)}`;
    connection.write(head(`Content-Length: ${upload.length + 2}`, '/api/sora-2/reverse-prompt') + upload);
    await expect.poll(() => connection.socket.writableLength).toBe(0);
    await expect.poll(bodies).toBeGreaterThan(500_000);
    expect(bodies()).toBeLessThan(2 * MIB);
    connection.write('"}');
    await connection.receive(1);
    await expect.poll(bodies).toBe(0);
  });
});

describe('bodies that have arrived', () => {
  it('are counted with their parsed value until the response is sent', async () => {
    const { open, bodies, clock } = await listening();
    const connection = await open();
    const wide = `{"taskId":"x","more":[${'[],'.repeat(9000)}0]}`;
    connection.write(sized(wide, '/api/sora-2/check-status', 'x-emulator-fault: delay=10m\r\n'));
    await expect.poll(bodies).toBe(2 * wide.length);
    await expect
      .poll(() => {
        clock.advance(600_000);
        return connection.responses.length;
      })
      .toBe(1);
    await expect.poll(bodies).toBe(0);
  });

  // id: wide-bodies-rejected
  it('are rejected with 400 when they are made of more than 20,000 values', async () => {
    const { send, bodies } = await listening();
    const withValues = (count: number) => `{"prompt":"a","mode":"textToVideo","more":[${'[],'.repeat(count - 5)}0]}`;
    const post = (body: string) => send('POST', '/api/sora-2/generate', { body });
    expect((await post(withValues(10_000))).status).toBe(200);
    expect(await post(withValues(300_000))).toMatchObject({ status: 400, body: { errorCode: 'INVALID_INPUT' } });
    expect((await post(JSON.stringify({ prompt: ',[{'.repeat(20_000), mode: 'textToVideo' }))).status).toBe(200);
    const refused = await send('POST', '/__admin/accounts', { key: null, body: withValues(300_000) });
    expect(refused).toMatchObject({ status: 400, body: { code: 'BODY_NOT_JSON' } });
    expect(bodies()).toBe(0);
  });

  it('are not counted when they are small', async () => {
    const { open, bodies, clock } = await listening();
    const connection = await open();
    connection.write(sized('{"taskId":"x"}', '/api/sora-2/check-status', 'x-emulator-fault: delay=10s\r\n'));
    const other = await open();
    other.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await other.receive(1);
    expect(bodies()).toBe(0);
    clock.advance(10_000);
    await connection.receive(1);
  });
});
