import * as z from 'zod';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { defineFamily, defineRoute } from '../http/family.ts';
import type { ErrorTable } from '../http/pipeline/error-table.ts';
import { routeProvenance } from '../http/pipeline/route-docs.ts';
import { LOCALES, loadPhrases } from '../texts/phrases.ts';
import { writeScript } from '../texts/script.ts';
import { imageRuleSchema, publicUrl, requiredText } from './kit/request-fields.ts';
import { streamText } from './kit/text-stream.ts';

const FAMILY = 'prompt-generator';
const MAX_TOPIC_CHARACTERS = 500;
const MAX_IMAGES = 3;
/** The page does not state bounds; these keep the text at a sensible size. */
const DURATION_SECONDS = { min: 1, max: 600 };

/** The time a language model takes to write such a text; not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [12, 24], steps: [{ name: 'streaming', share: 1 }] };

const Body = z
  .object({
    topic: requiredText(MAX_TOPIC_CHARACTERS),
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
    imageUrls: z.array(publicUrl).max(MAX_IMAGES).default([]),
  })
  .refine(({ mode, imageUrls }) => mode === 'textToVideo' || imageUrls.length > 0, {
    path: ['imageUrls'],
    error: 'imageToVideo needs 1 to 3 public URLs',
  })
  .meta(imageRuleSchema('imageUrls', 'imageToVideo', 'INVALID_INPUT', 'observed'));

const ERRORS = {
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
} satisfies ErrorTable;

/** Sora 2 prompt generator, a text stream. Source: vendor page "Sora 2 Prompt Generator API". */
export const promptGenerator = defineFamily({
  name: FAMILY,
  title: 'Prompt generator',
  /** "2 credits per generation." */
  prices: 2,
  routes: [
    defineRoute({
      path: '/api/sora-2/generate-prompt',
      kind: 'stream',
      body: Body,
      errors: ERRORS,
      docs: {
        summary: 'Generate a prompt',
        provenance: routeProvenance('documented'),
        responses: 'text',
        prices: { per: 'request', by: [] },
      },
      handle: async (context, request, reply, price: number) => {
        const { mode, topic, technique, duration, imageUrls, locale } = request.body;
        const order = { family: FAMILY, price, input: request.body, template: TEMPLATE };
        const imageCount = mode === 'imageToVideo' ? imageUrls.length : 0;
        const script = { topic, technique, durationSeconds: duration, imageCount };
        return streamText(context, request, reply, order, (random) =>
          writeScript(script, loadPhrases(locale, context.settings.fixturesDir), random),
        );
      },
    }),
  ],
});
