import createClient from 'openapi-fetch';
import type { paths } from './nanophoto.js';

const sleep = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

/** The address of a video. */
async function makeVideo(apiKey: string, prompt: string): Promise<string> {
  const api = createClient<paths>({
    baseUrl: process.env.NANOPHOTO_API_BASE_URL ?? 'http://127.0.0.1:6266',
    headers: { authorization: `Bearer ${apiKey}` },
  });
  const job = await api.POST('/api/sora-2/generate', { body: { prompt, mode: 'textToVideo' } });
  if (job.error) {
    // Codes of this endpoint and no others can be compared with, and only this one has `requiredCredits`.
    if (job.error.errorCode === 'INSUFFICIENT_CREDITS') {
      throw new Error(`a video costs ${job.error.requiredCredits} credits`);
    }
    throw new Error(job.error.errorCode);
  }
  for (;;) {
    const { data, error } = await api.POST('/api/sora-2/check-status', { body: { taskId: job.data.taskId } });
    if (error) throw new Error(error.errorCode);
    // Only a completed task has a `videoUrl`, only a failed one an `error`.
    if (data.status === 'completed') return data.videoUrl;
    if (data.status === 'failed') throw new Error(data.error);
    await sleep(5000);
  }
}

for (const [apiKey, prompt] of [
  ['np_test_auto', 'A golden retriever on a beach'],
  ['np_test_auto', 'A golden retriever @emulator(fail)'],
  ['np_test_empty', 'A golden retriever on a beach'],
  ['unknown', 'A golden retriever on a beach'],
] as const) {
  console.log(await makeVideo(apiKey, prompt).catch(String));
}
