import { z } from 'zod';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { family } from '../http/family.ts';
import type { Problems } from '../http/pipeline/errors.ts';
import { priceList, type Sources } from '../http/pipeline/route-docs.ts';
import { LOCALES, phrasesOf } from '../texts/phrases.ts';
import { writeScript } from '../texts/script.ts';
import { publicUrl, requiredText, tellImageRule } from './kit/request-fields.ts';
import { sendText } from './kit/text-stream.ts';

/** Sora 2 prompt generator, a text stream. Source: vendor page "Sora 2 Prompt Generator API". */
const FAMILY = 'prompt-generator';
const SOURCES: Sources = { endpoint: 'D', request: 'D', answers: 'D', codes: 'D', prices: 'D' };

/** "2 credits per generation." */
const PRICE = 2;

const MOST_TOPIC_CHARACTERS = 500;
const MOST_IMAGES = 3;
/** The page documents no bounds; these keep the text of a sensible size. */
const DURATION_SECONDS = { least: 1, most: 600 };

/** How long a language model takes to write such a text; not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [12, 24], steps: [{ name: 'streaming', share: 1 }] };

export const Body = z
  .object({
    topic: requiredText('expected text', MOST_TOPIC_CHARACTERS),
    mode: z.enum(['textToVideo', 'imageToVideo']).default('textToVideo'),
    technique: z
      .enum([
        'montage',
        'long-take',
        'time-lapse',
        'slow-motion',
        'tracking-shot',
        'aerial-view',
        'pov',
        'split-screen',
        'match-cut',
        'fade-transition',
      ])
      .default('montage'),
    duration: z
      .number()
      .min(DURATION_SECONDS.least)
      .max(DURATION_SECONDS.most)
      .meta({ description: 'Seconds. The bounds are assumed.' })
      .default(10),
    model: z.string().trim().min(1).meta({ pattern: '\\S' }).default('google/gemini-3-flash-preview'),
    locale: z.enum(LOCALES).default('en'),
    imageUrls: z.array(publicUrl('expected a public http or https URL')).max(MOST_IMAGES).default([]),
  })
  .refine(({ mode, imageUrls }) => mode === 'textToVideo' || imageUrls.length > 0, {
    path: ['imageUrls'],
    error: 'imageToVideo needs 1 to 3 public URLs',
  })
  .meta(tellImageRule({ urls: 'imageUrls', neededFor: 'imageToVideo', missing: 'INVALID_INPUT' }, 'C'));

const PROBLEMS: Problems = {
  INVALID_INPUT: { status: 400, error: 'Topic is missing, empty, or too long' },
  INSUFFICIENT_CREDITS: {
    status: 402,
    source: 'D',
    error: 'Insufficient credits',
    body: ({ requiredCredits }) => ({
      success: false,
      error: `Insufficient credits. Required: ${requiredCredits} credits for prompt generation.`,
      errorCode: 'INSUFFICIENT_CREDITS',
      requiredCredits,
    }),
  },
};

export const promptGenerator = family({
  name: FAMILY,
  title: 'Prompt generator',
  prices: PRICE,
  routes: (app, emulator, price) => {
    const { fixturesDir } = emulator.settings;

    app.post(
      '/api/sora-2/generate-prompt',
      {
        schema: { body: Body },
        config: {
          problems: PROBLEMS,
          doc: {
            summary: 'Have a prompt written',
            sources: SOURCES,
            answers: 'text',
            prices: { per: 'request', list: priceList(price) },
          },
        },
      },
      async (request, reply) => {
        const input = request.body;
        const order = { family: FAMILY, price, input, template: TEMPLATE };
        const script = {
          topic: input.topic,
          technique: input.technique,
          durationSeconds: input.duration,
          imageCount: input.mode === 'imageToVideo' ? input.imageUrls.length : 0,
        };
        return sendText(emulator, request, reply, order, (random) =>
          writeScript(script, phrasesOf(input.locale, fixturesDir), random),
        );
      },
    );
  },
});
