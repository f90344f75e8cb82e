import { z } from 'zod';
import { digestOf } from '../core/random.ts';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { accountOf } from '../http/context.ts';
import { family } from '../http/family.ts';
import type { Problems } from '../http/pipeline/errors.ts';
import { priceList, type Sources } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { mediaUrls } from '../http/urls.ts';
import { WATERMARK_REMOVED } from '../rendering/content.ts';
import { ofText, requiredText } from './kit/request-fields.ts';
import { workInRequest } from './kit/synchronous-task.ts';

/** Sora watermark removal. The vendor names the API; everything else is known from public clients. */
const FAMILY = 'sora-watermark';
const SOURCES: Sources = { endpoint: 'D', request: 'C', answers: 'C', codes: 'C', prices: 'X' };

/** No price is known. */
const PRICE = 0;

/** What a link to a Sora video has in it. */
const SHARED_VIDEO = 'sora.chatgpt.com/p/';

/** Not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [5, 20], steps: [{ name: 'removing', share: 1 }] };

export const Body = z.object({
  share_link: requiredText('MISSING_SHARE_LINK')
    .refine(
      ofText((link) => link.includes(SHARED_VIDEO)),
      { error: 'INVALID_SHARE_LINK' },
    )
    .meta({ pattern: SHARED_VIDEO.replaceAll('.', '\\.') }),
});

const Removed = z
  .strictObject({ success: z.literal(true), status: z.literal('completed'), url: z.url() })
  .meta({ id: 'RemovedWatermark' });

const PROBLEMS: Problems = {
  MISSING_SHARE_LINK: { status: 400, error: 'Share link is required' },
  INVALID_SHARE_LINK: { status: 400, error: `Invalid share link. It must contain ${SHARED_VIDEO}` },
  GENERATION_FAILED: { status: 500, error: 'Watermark removal failed' },
};

/** The same link of the same key always has the same name; two keys share nothing. */
const nameOf = (key: string, link: string) => digestOf(32, 'watermark', key, link.trim());
const FILES = { url: resultFile('sora/watermark-remover', 'mp4', () => WATERMARK_REMOVED, 'clientRef') };

export const soraWatermark = family({
  name: FAMILY,
  title: 'Sora watermark removal',
  prices: PRICE,
  files: FILES,
  routes: (app, emulator, price) => {
    app.post(
      '/api/sora/remove-watermark',
      {
        schema: { body: Body },
        config: {
          problems: PROBLEMS,
          doc: {
            summary: 'Remove the watermark of a Sora video',
            sources: SOURCES,
            answers: [Removed],
            prices: { per: 'request', list: priceList(price) },
          },
        },
      },
      async (request, reply) => {
        const input = request.body;
        const clientRef = nameOf(accountOf(request).key, input.share_link);
        const order = { family: FAMILY, price, input, clientRef, template: TEMPLATE };
        const work = workInRequest(emulator, request, reply, order);
        try {
          await work.finish();
        } catch (error) {
          work.fail(error);
          throw error;
        }
        work.complete();
        return {
          success: true,
          status: 'completed',
          ...mediaUrls(request, emulator.settings, FILES, work.task),
        };
      },
    );
  },
});
