import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Skipped } from '../../src/conformance/case-errors.ts';
import { probeMedia } from '../../src/conformance/media-probe.ts';

vi.mock('sharp', () => {
  throw new Error('Could not load the "sharp" module');
});

it('images are not checked, rather than reported as damaged, when sharp cannot be loaded', async () => {
  const server = createServer((_request, response) => response.setHeader('content-type', 'image/jpeg').end('a'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const probed = probeMedia(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a.jpg`);
  await expect(probed).rejects.toThrow(Skipped);
  await expect(probed).rejects.toThrow('run npm install --include=optional sharp');
});
