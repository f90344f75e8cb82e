// The orders that clients send, their prices, and how to find the task ids in a response. The text of each order
// contains a mark that identifies its tasks in the database, whether or not the client received a response.

const MARK = /n\d{10}/;

/** Eleven characters, so that a mark can also be a YouTube video id. */
export const formatMark = (number) => `n${String(number).padStart(10, '0')}`;
export const findMark = (text) => MARK.exec(text)?.[0];

const getTaskId = ({ taskId }) => [taskId];

/**
 * Each builds an order: `path` and `body` of the request, `price` of each task, `count` of tasks, and `ids`, which
 * reads the task ids from the response.
 */
export const ORDERS = {
  'sora-2': (text, random) => {
    const videoDuration = random.pick(['10', '15']);
    return {
      path: '/api/sora-2/generate',
      body: { prompt: text, mode: 'textToVideo', videoDuration },
      price: { 10: 4, 15: 8 }[videoDuration],
      count: 1,
      ids: getTaskId,
    };
  },
  'veo-3': (text, random) => {
    const resolution = random.chance(0.8) ? '720p' : random.pick(['1080p', '4k']);
    const count = resolution === '720p' ? random.int(1, 6) : 1;
    const shots = Array.from({ length: count }, (_, index) => ({
      id: `shot-${index + 1}`,
      prompt: text,
      generationType: 'TEXT_2_VIDEO',
      aspectRatio: '16:9',
    }));
    return {
      path: '/api/veo-3/generate',
      body: { shots, resolution },
      price: { '720p': 10, '1080p': 14, '4k': 30 }[resolution],
      count,
      ids: ({ shots }) => shots.map(({ taskId }) => taskId),
    };
  },
  'seedance-1-5-pro': (text, random) => {
    const generateAudio = random.chance(0.5);
    return {
      path: '/api/seedance-1-5-pro/generate',
      body: {
        prompt: text,
        mode: 'textToVideo',
        aspectRatio: 'landscape',
        resolution: '480p',
        duration: '4',
        generateAudio,
      },
      price: generateAudio ? 4 : 2,
      count: 1,
      ids: getTaskId,
    };
  },
  'sora-2-tvc': (text) => ({
    path: '/api/sora-2-tvc/generate',
    body: { adTheme: text },
    price: 8,
    count: 1,
    ids: getTaskId,
  }),
  'nano-banana-pro': (text, random) => imageOrder('nano-banana-pro', text, random),
  'nano-banana-2': (text, random) => imageOrder('nano-banana-2', text, random),
  'prompt-generator': (text, random) => ({
    path: '/api/sora-2/generate-prompt',
    body: { topic: text, technique: random.pick(['montage', 'long-take']), duration: random.pick([5, 30]) },
    price: 2,
    count: 1,
    isStream: true,
  }),
  'reverse-prompt': (text) => ({
    path: '/api/sora-2/reverse-prompt',
    body: { videoSource: 'youtube', videoUrl: `https://www.youtube.com/watch?v=${findMark(text)}` },
    price: 1,
    count: 1,
    isStream: true,
  }),
  'sora-watermark': (text) => ({
    path: '/api/sora/remove-watermark',
    body: { share_link: `https://sora.chatgpt.com/p/${findMark(text)}` },
    price: 0,
    count: 1,
    isSynchronous: true,
  }),
};

function imageOrder(family, text, random) {
  const imageQuality = random.pick(['1K', '2K', '4K']);
  return {
    path: `/api/${family}/generate`,
    body: { prompt: text, mode: 'generate', imageQuality },
    price: { '1K': 4, '2K': 8, '4K': 16 }[imageQuality],
    count: 1,
    ids: getTaskId,
    pollIds: ({ generationId }) => [generationId],
  };
}

/** Path and body of the request that polls the tasks of an order. */
export function pollRequestFor({ family, ids, pollIds }) {
  const path = `/api/${family}/check-status`;
  if (family === 'veo-3') {
    return { path, body: { taskIds: ids.map((taskId, index) => ({ shotId: `shot-${index + 1}`, taskId })) } };
  }
  return { path, body: pollIds ? { generationId: pollIds[0] } : { taskId: ids[0] } };
}

/** The status of each task of the order, from the response to a poll. */
export function parseStatuses({ family, ids }, response) {
  if (family === 'veo-3') return response.shots.map(({ status }) => status);
  const status = ['completed', 'failed'].includes(response.status) ? response.status : 'processing';
  return ids.map(() => status);
}
