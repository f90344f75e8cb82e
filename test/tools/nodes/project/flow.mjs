// One flow of a client: a video and an image from submission to the file, and the ledger. Run as a program, it takes
// the URL of the API and the key from the environment; an argument replaces the URL of the API.
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';

const MAX_POLLS = 50;

/** `controlUrl`: the URL of the control plane. */
export async function runFlow({ url, key, controlUrl = url }) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const post = async (path, body) => {
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(response.status, 200, await response.clone().text());
    return response.json();
  };
  const poll = async (path, body) => {
    for (let number = 1; number <= MAX_POLLS; number++) {
      const result = await post(path, body);
      if (result.status === 'completed') return result;
    }
    assert.fail(`${path} did not complete`);
  };
  const download = async (fileUrl) => {
    const response = await fetch(fileUrl);
    assert.equal(response.status, 200);
    return { type: response.headers.get('content-type'), bytes: Buffer.from(await response.arrayBuffer()) };
  };

  const { taskId } = await post('/api/sora-2/generate', { prompt: 'A lighthouse', mode: 'textToVideo' });
  const { videoUrl } = await poll('/api/sora-2/check-status', { taskId });
  const video = await download(videoUrl);
  assert.equal(video.type, 'video/mp4');
  assert.equal(video.bytes.toString('latin1', 4, 8), 'ftyp');

  const { generationId } = await post('/api/nano-banana-2/generate', { prompt: 'A lighthouse', mode: 'generate' });
  const { imageUrl } = await poll('/api/nano-banana-2/check-status', { generationId });
  const image = await download(imageUrl);
  assert.equal(image.type, 'image/jpeg');
  assert.equal(image.bytes.readUInt16BE(0), 0xffd8);

  const ledger = await (await fetch(`${controlUrl}/__admin/accounts/${key}/ledger`)).json();
  const kinds = ledger.entries.map(({ kind }) => kind);
  assert.deepEqual(kinds, ['grant', 'hold', 'capture', 'hold', 'capture']);
  assert.equal(ledger.held, 0);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { NANOPHOTO_API_BASE_URL: controlUrl, NANOPHOTO_API_KEY: key } = process.env;
  await runFlow({ url: process.argv[2] ?? controlUrl, key, controlUrl });
}
