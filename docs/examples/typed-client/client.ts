import createClient from 'openapi-fetch';
import type { paths } from './nanophoto.js';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A video's address. `api`: see below. */
export async function makeVideo(api: ReturnType<typeof apiFor>, prompt: string, wait = sleep): Promise<string> {
  const job = await api.POST('/api/sora-2/generate', {
    body: { prompt, mode: 'textToVideo', aspectRatio: 'landscape', videoDuration: '10' },
  });
  if (job.error) {
    // Only the codes of this endpoint compile here, and only this one has `requiredCredits`.
    if (job.error.errorCode === 'INSUFFICIENT_CREDITS') {
      throw new Error(`A video costs ${job.error.requiredCredits} credits.`);
    }
    throw new Error(job.error.errorCode);
  }
  for (;;) {
    const poll = await api.POST('/api/sora-2/check-status', { body: { taskId: job.data.taskId } });
    if (poll.error) throw new Error(poll.error.errorCode);
    switch (poll.data.status) {
      case 'processing':
        await wait(5000);
        break;
      case 'completed':
        return poll.data.videoUrl;
      case 'failed':
        throw new Error(poll.data.error);
    }
  }
}

export const apiFor = (apiKey: string) =>
  createClient<paths>({
    baseUrl: process.env.NANOPHOTO_API_BASE_URL ?? 'https://nanophoto.ai',
    headers: { authorization: `Bearer ${apiKey}` },
  });

for (const apiKey of ['np_test_auto', 'np_test_empty']) {
  const told = await makeVideo(apiFor(apiKey), 'A golden retriever on a beach').catch(String);
  console.log(`${apiKey}: ${told}`);
}
