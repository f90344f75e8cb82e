import { describe, expect, it } from 'vitest';
import { serveEmulator } from '../support/emulator.ts';
import { DRIVEN_ENDPOINTS } from './driven-endpoints.ts';

/*
 * Clients written only from the vendor's pages, like their examples: submit, wait, poll until `status` is final. They
 * run over HTTP against the command and differ from the pages only in the base URL and the wait.
 */
type Json = Record<string, unknown>;

function createClient(baseUrl: string, apiKey: string) {
  const post = (path: string, body: Json) =>
    fetch(baseUrl + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${apiKey}` },
      body: JSON.stringify(body),
    });

  /** The loop of the Sora 2 page. Resolves to all poll responses. */
  async function run(family: string, body: Json, idField: 'taskId' | 'generationId') {
    const data = (await (await post(`/api/${family}/generate`, body)).json()) as Json;
    if (!data.success) throw new Error(`Generation failed: ${data.error}`);
    const polls: Json[] = [];
    for (;;) {
      const response = await post(`/api/${family}/check-status`, { [idField]: data[idField] });
      const status = (await response.json()) as Json;
      polls.push(status);
      if (status.status === 'completed' || status.status === 'failed') return polls;
      if (polls.length > 50) throw new Error('still not finished');
    }
  }

  /** The loop of the prompt generator's page. */
  async function read(path: string, body: Json) {
    const response = await post(path, body);
    if (!response.ok) throw new Error(`Failed: ${((await response.json()) as Json).error}`);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value, { stream: true });
    }
  }

  return { post, run, read };
}

const VIDEO = { prompt: 'A golden retriever running on a beach at sunset', mode: 'textToVideo' };
const listProgress = (polls: Json[]) => polls.map((poll) => poll.progress ?? poll.status);

describe('clients written from the vendor pages', () => {
  // id: own-client-drives-endpoints
  it('complete a task of every family without waiting', async () => {
    const url = await serveEmulator();
    const { post, run, read } = createClient(url, 'np_test_auto');

    const video = await run('sora-2', { ...VIDEO, aspectRatio: 'landscape', videoDuration: '10' }, 'taskId');
    expect(video.at(-1)).toMatchObject({ success: true, videoUrl: expect.any(String), creditsUsed: 4 });

    const dance = {
      ...VIDEO,
      aspectRatio: 'portrait',
      resolution: '720p',
      duration: '8',
      generateAudio: true,
    };
    expect((await run('seedance-1-5-pro', dance, 'taskId')).at(-1)).toMatchObject({
      success: true,
      videoUrl: expect.stringMatching(/\.mp4$/),
      creditsUsed: 16,
    });

    const ad = await run('sora-2-tvc', { adTheme: 'A mountain spring in a bottle' }, 'taskId');
    expect(listProgress(ad)).toEqual(['storyboard_image', 'video_generation', 'completed']);
    expect(ad.at(-1)).toMatchObject({ storyboardImageUrl: expect.stringMatching(/\.jpg$/) });

    for (const family of ['nano-banana-pro', 'nano-banana-2']) {
      const image = await run(family, { prompt: 'A cat at the piano', mode: 'generate' }, 'generationId');
      expect(image.map(({ status }) => status)).toEqual(['generating', 'completed']);
      expect(image.at(-1)).toMatchObject({ imageUrl: expect.stringMatching(/\.jpg$/), progress: 100 });
    }

    const shots = ['a', 'b'].map((id) => ({
      id,
      prompt: 'A train leaves',
      generationType: 'TEXT_2_VIDEO',
      aspectRatio: '16:9',
    }));
    const veo = (await (await post('/api/veo-3/generate', { shots })).json()) as { shots: Json[] };
    const taskIds = veo.shots.map(({ shotId, taskId }) => ({ shotId, taskId }));
    const statuses: unknown[] = [];
    while (statuses.at(-1) !== 'completed' && statuses.length < 10) {
      const polled = (await (await post('/api/veo-3/check-status', { taskIds })).json()) as Json;
      statuses.push(polled.status);
    }
    expect(statuses).toEqual(['processing', 'completed']);

    const cleaned = await post('/api/sora/remove-watermark', {
      share_link: 'https://sora.chatgpt.com/p/s_68e1f0a2b3c4',
    });
    expect(await cleaned.json()).toMatchObject({ success: true, status: 'completed' });

    expect(await read('/api/sora-2/generate-prompt', { topic: 'A lighthouse' })).toContain('A lighthouse');
    const videoUrl = 'https://www.youtube.com/watch?v=W-15-UmGP5s';
    expect(await read('/api/sora-2/reverse-prompt', { videoSource: 'youtube', videoUrl })).toMatch(/\|.*\|/);

    const ledger = (await (await fetch(`${url}/__admin/accounts/np_test_auto/ledger`)).json()) as Json;
    expect(ledger).toMatchObject({ balance: 1000 - 4 - 16 - 8 - 4 - 4 - 20 - 2 - 1, held: 0 });

    const { requests } = (await (await fetch(`${url}/__admin/accounts/np_test_auto/requests?limit=1000`)).json()) as {
      requests: { path: string; status: number }[];
    };
    const successful = requests.filter(({ status }) => status === 200).map(({ path }) => path);
    expect([...new Set(successful)].sort()).toEqual(DRIVEN_ENDPOINTS.ownClient);
  });
});
