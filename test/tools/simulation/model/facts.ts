/*
 * Prices and durations as the vendor's pages state them, written down by hand, so that the model does not share them with
 * the emulator.
 */
export interface FamilyFacts {
  name: string;
  /** The path, to which `/generate` and `/check-status` are appended. */
  path: string;
  /** The form of its responses. */
  form: 'video' | 'image' | 'shots';
  /** Valid bodies without their text, and the credits that each task costs. */
  orders: readonly { body: Record<string, unknown>; price: number; seconds: readonly [number, number] }[];
  /** Steps and the share of the time after which each begins. */
  steps: readonly (readonly [name: string, share: number])[];
  /** Whether the 402 response lacks `success`. */
  hasBare402: boolean;
}

const GENERATING = [['generating', 0]] as const;
const IMAGE = {
  form: 'image',
  steps: [
    ['pending', 0],
    ['generating', 0.1],
  ],
  hasBare402: false,
} as const;
const image = (name: string, seconds: readonly [number, number]): FamilyFacts => ({
  ...IMAGE,
  name,
  path: `/api/${name}`,
  orders: [
    { body: { mode: 'generate' }, price: 4, seconds },
    { body: { mode: 'generate', imageQuality: '2K', aspectRatio: '4:3' }, price: 8, seconds },
    { body: { mode: 'generate', imageQuality: '4K' }, price: 16, seconds },
  ],
});

export const TASK_FAMILIES: readonly FamilyFacts[] = [
  {
    name: 'sora-2',
    path: '/api/sora-2',
    form: 'video',
    orders: [
      { body: { mode: 'textToVideo' }, price: 4, seconds: [60, 180] },
      { body: { mode: 'textToVideo', videoDuration: '15' }, price: 8, seconds: [60, 180] },
      { body: { mode: 'textToVideo', modelTier: 'sora2-pro-standard' }, price: 60, seconds: [180, 480] },
      {
        body: { mode: 'textToVideo', modelTier: 'sora2-pro-high', videoDuration: '15' },
        price: 240,
        seconds: [180, 480],
      },
    ],
    steps: GENERATING,
    hasBare402: true,
  },
  {
    name: 'seedance-1-5-pro',
    path: '/api/seedance-1-5-pro',
    form: 'video',
    orders: [
      {
        body: { mode: 'textToVideo', aspectRatio: 'portrait', resolution: '480p', duration: '4' },
        price: 2,
        seconds: [60, 180],
      },
      {
        body: {
          mode: 'textToVideo',
          aspectRatio: 'landscape',
          resolution: '1080p',
          duration: '12',
          generateAudio: true,
        },
        price: 44,
        seconds: [60, 180],
      },
    ],
    steps: GENERATING,
    hasBare402: false,
  },
  {
    name: 'sora-2-tvc',
    path: '/api/sora-2-tvc',
    form: 'video',
    orders: [{ body: { videoDuration: '15' }, price: 8, seconds: [180, 480] }],
    steps: [
      ['storyboard_script', 0],
      ['storyboard_image', 0.1],
      ['video_generation', 0.3],
    ],
    hasBare402: false,
  },
  image('nano-banana-2', [10, 30]),
  image('nano-banana-pro', [30, 300]),
  {
    name: 'veo-3',
    path: '/api/veo-3',
    form: 'shots',
    orders: [
      { body: {}, price: 10, seconds: [90, 300] },
      { body: { resolution: '1080p' }, price: 14, seconds: [90, 300] },
    ],
    steps: GENERATING,
    hasBare402: true,
  },
];

interface TextFacts {
  path: string;
  family: string;
  body: Record<string, unknown>;
  price: number;
  seconds: readonly [number, number];
  step: string;
}

/** The families whose requests last as long as their task. */
export const TEXT_CALLS: readonly TextFacts[] = [
  {
    path: '/api/sora-2/generate-prompt',
    family: 'prompt-generator',
    body: { topic: 'A lighthouse', duration: 15 },
    ...{ price: 2, seconds: [12, 24], step: 'streaming' },
  },
  {
    path: '/api/sora-2/reverse-prompt',
    family: 'reverse-prompt',
    body: { videoSource: 'url', videoUrl: 'https://example.com/a.mp4' },
    ...{ price: 1, seconds: [18, 42], step: 'streaming' },
  },
  {
    path: '/api/sora/remove-watermark',
    family: 'sora-watermark',
    body: { share_link: 'https://sora.chatgpt.com/p/s_123' },
    ...{ price: 0, seconds: [5, 20], step: 'removing' },
  },
];

export const HOUR_MS = 3_600_000;

/** The profile of an account that a request creates, and of one whose fields are absent. */
export const DEFAULT_PROFILE = { credits: 1000, limit: 100, mode: 'real', speed: 60, seed: 'nanophoto' } as const;
