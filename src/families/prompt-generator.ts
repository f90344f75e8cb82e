import { z } from 'zod';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { defineFamily } from '../http/family.ts';
import type { ErrorTable } from '../http/pipeline/error-table.ts';
import { priceList, type RouteProvenance } from '../http/pipeline/route-docs.ts';
import { LOCALES, loadPhrases } from '../texts/phrases.ts';
import { writeScript } from '../texts/script.ts';
import { imageRuleSchema, publicUrl, requiredText } from './kit/request-fields.ts';
import { streamText } from './kit/text-stream.ts';

/** Sora 2 prompt generator, a text stream. Source: vendor page "Sora 2 Prompt Generator API". */
const FAMILY = 'prompt-generator';
const PROVENANCE: RouteProvenance = {
  endpoint: 'documented',
  request: 'documented',
  responses: 'documented',
  codes: 'documented',
  prices: 'documented',
};

/** "2 credits per generation." */
const PRICE = 2;

const MAX_TOPIC_CHARACTERS = 500;
const MAX_IMAGES = 3;
/** The page documents no bounds; these keep the text of a sensible size. */
const DURATION_SECONDS = { min: 1, max: 600 };

/** How long a language model takes to write such a text; not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [12, 24], steps: [{ name: 'streaming', share: 1 }] };

export const Body = z
  .object({
    topic: requiredText('expected text', MAX_TOPIC_CHARACTERS),
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
      .min(DURATION_SECONDS.min)
      .max(DURATION_SECONDS.max)
      .meta({ description: 'Seconds. The bounds are assumed.' })
      .default(10),
    model: z.string().trim().min(1).meta({ pattern: '\\S' }).default('google/gemini-3-flash-preview'),
    locale: z.enum(LOCALES).default('en'),
    imageUrls: z.array(publicUrl('expected a public http or https URL')).max(MAX_IMAGES).default([]),
  })
  .refine(({ mode, imageUrls }) => mode === 'textToVideo' || imageUrls.length > 0, {
    path: ['imageUrls'],
    error: 'imageToVideo needs 1 to 3 public URLs',
  })
  .meta(imageRuleSchema({ urls: 'imageUrls', requiredForMode: 'imageToVideo', missing: 'INVALID_INPUT' }, 'observed'));

const ERRORS: ErrorTable = {
  INVALID_INPUT: { status: 400, error: 'Topic is missing, empty, or too long' },
  INSUFFICIENT_CREDITS: {
    status: 402,
    provenance: 'documented',
    error: 'Insufficient credits',
    body: ({ requiredCredits }) => ({
      success: false,
      error: `Insufficient credits. Required: ${requiredCredits} credits for prompt generation.`,
      errorCode: 'INSUFFICIENT_CREDITS',
      requiredCredits,
    }),
  },
};

export const promptGenerator = defineFamily({
  name: FAMILY,
  title: 'Prompt generator',
  prices: PRICE,
  registerRoutes: (app, context, price) => {
    const { fixturesDir } = context.settings;

    app.post(
      '/api/sora-2/generate-prompt',
      {
        schema: { body: Body },
        config: {
          kind: 'stream',
          errors: ERRORS,
          doc: {
            summary: 'Have a prompt written',
            provenance: PROVENANCE,
            responses: 'text',
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
        return streamText(context, request, reply, order, (random) =>
          writeScript(script, loadPhrases(input.locale, fixturesDir), random),
        );
      },
    );
  },
});
