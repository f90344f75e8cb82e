import type { Family } from '../http/family.ts';
import { nanoBanana2 } from './nano-banana-2.ts';
import { nanoBananaPro } from './nano-banana-pro.ts';
import { promptGenerator } from './prompt-generator.ts';
import { reversePrompt } from './reverse-prompt.ts';
import { seedance } from './seedance-1-5-pro.ts';
import { sora2 } from './sora-2.ts';
import { sora2Tvc } from './sora-2-tvc.ts';
import { soraWatermark } from './sora-watermark.ts';
import { veo3 } from './veo-3.ts';

/** All families of the API, in the order of /openapi.json. */
export const FAMILIES: readonly Family[] = [
  sora2,
  veo3,
  seedance,
  sora2Tvc,
  soraWatermark,
  nanoBananaPro,
  nanoBanana2,
  promptGenerator,
  reversePrompt,
];
