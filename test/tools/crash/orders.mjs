// What can be ordered, at what price, and how the answer names the tasks. Each order carries a mark in its text, by which
// the task that came of it is known again in the database, whether its client ever got an answer or not.

const MARK = /n\d{10}/;

/** Eleven characters, so that it can be the id of a video as well. */
export const markOf = (number) => `n${String(number).padStart(10, '0')}`;
export const markIn = (text) => MARK.exec(text)?.[0];

const one = ({ taskId }) => [taskId];

/** Each answers `{path, body, price, count, ids}`: what is sent, what each task costs, how many there are of them. */
export const ORDERS = {
  'sora-2': (text, random) => {
    const videoDuration = random.pick(['10', '15']);
    return {
      path: '/api/sora-2/generate',
      body: { prompt: text, mode: 'textToVideo', videoDuration },
      price: { 10: 4, 15: 8 }[videoDuration],
      count: 1,
      ids: one,
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
      ids: one,
    };
  },
  'sora-2-tvc': (text) => ({
    path: '/api/sora-2-tvc/generate',
    body: { adTheme: text },
    price: 8,
    count: 1,
    ids: one,
  }),
  'nano-banana-pro': (text, random) => image('nano-banana-pro', text, random),
  'nano-banana-2': (text, random) => image('nano-banana-2', text, random),
  'prompt-generator': (text, random) => ({
    path: '/api/sora-2/generate-prompt',
    body: { topic: text, technique: random.pick(['montage', 'long-take']), duration: random.pick([5, 30]) },
    price: 2,
    count: 1,
    isStream: true,
  }),
  'reverse-prompt': (text) => ({
    path: '/api/sora-2/reverse-prompt',
    body: { videoSource: 'youtube', videoUrl: `https://www.youtube.com/watch?v=${markIn(text)}` },
    price: 1,
    count: 1,
    isStream: true,
  }),
  'sora-watermark': (text) => ({
    path: '/api/sora/remove-watermark',
    body: { share_link: `https://sora.chatgpt.com/p/${markIn(text)}` },
    price: 0,
    count: 1,
    isInRequest: true,
  }),
};

function image(family, text, random) {
  const imageQuality = random.pick(['1K', '2K', '4K']);
  return {
    path: `/api/${family}/generate`,
    body: { prompt: text, mode: 'generate', imageQuality },
    price: { '1K': 4, '2K': 8, '4K': 16 }[imageQuality],
    count: 1,
    ids: one,
    pollIds: ({ generationId }) => [generationId],
  };
}

/** The poll of one order's tasks: its path and body. */
export function pollOf({ family, ids, pollIds }) {
  const path = `/api/${family}/check-status`;
  if (family === 'veo-3') {
    return { path, body: { taskIds: ids.map((taskId, index) => ({ shotId: `shot-${index + 1}`, taskId })) } };
  }
  return { path, body: pollIds ? { generationId: pollIds[0] } : { taskId: ids[0] } };
}

/** The state of each of the order's tasks as a poll's answer tells it. */
export function statusesIn({ family, ids }, answer) {
  if (family === 'veo-3') return answer.shots.map(({ status }) => status);
  const status = ['completed', 'failed'].includes(answer.status) ? answer.status : 'processing';
  return ids.map(() => status);
}
