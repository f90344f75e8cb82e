import { z } from 'zod';
import { seededHex } from '../core/random.ts';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { defineFamily } from '../http/family.ts';
import type { ErrorTable } from '../http/pipeline/error-table.ts';
import { getAccount } from '../http/pipeline/request-state.ts';
import { priceList, type RouteProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { buildResultUrls } from '../http/urls.ts';
import { WATERMARK_REMOVED } from '../rendering/content.ts';
import { requiredText, whenString } from './kit/request-fields.ts';
import { startSynchronousTask } from './kit/synchronous-task.ts';

/** Sora watermark removal. The vendor names the API; everything else is known from public clients. */
const FAMILY = 'sora-watermark';
const PROVENANCE: RouteProvenance = {
  endpoint: 'documented',
  request: 'observed',
  responses: 'observed',
  codes: 'observed',
  prices: 'assumed',
};

/** No price is known. */
const PRICE = 0;

/** What a link to a Sora video has in it. */
const SHARE_LINK_SUBSTRING = 'sora.chatgpt.com/p/';

/** Not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [5, 20], steps: [{ name: 'removing', share: 1 }] };

export const Body = z.object({
  share_link: requiredText('MISSING_SHARE_LINK')
    .refine(
      whenString((link) => link.includes(SHARE_LINK_SUBSTRING)),
      { error: 'INVALID_SHARE_LINK' },
    )
    .meta({ pattern: SHARE_LINK_SUBSTRING.replaceAll('.', '\\.') }),
});

const RemovedWatermark = z
  .strictObject({ success: z.literal(true), status: z.literal('completed'), url: z.url() })
  .meta({ id: 'RemovedWatermark' });

const ERRORS: ErrorTable = {
  MISSING_SHARE_LINK: { status: 400, error: 'Share link is required' },
  INVALID_SHARE_LINK: { status: 400, error: `Invalid share link. It must contain ${SHARE_LINK_SUBSTRING}` },
  GENERATION_FAILED: { status: 500, error: 'Watermark removal failed' },
};

/** The same link of the same key always has the same name; two keys share nothing. */
const clientRefFor = (key: string, link: string) => seededHex(32, 'watermark', key, link.trim());
const FILES = { url: resultFile('sora/watermark-remover', 'mp4', () => WATERMARK_REMOVED, 'clientRef') };

export const soraWatermark = defineFamily({
  name: FAMILY,
  title: 'Sora watermark removal',
  prices: PRICE,
  files: FILES,
  registerRoutes: (app, context, price) => {
    app.post(
      '/api/sora/remove-watermark',
      {
        schema: { body: Body },
        config: {
          kind: 'synchronous',
          errors: ERRORS,
          doc: {
            summary: 'Remove the watermark of a Sora video',
            provenance: PROVENANCE,
            responses: [RemovedWatermark],
            prices: { per: 'request', list: priceList(price) },
          },
        },
      },
      async (request, reply) => {
        const input = request.body;
        const clientRef = clientRefFor(getAccount(request).key, input.share_link);
        const order = { family: FAMILY, price, input, clientRef, template: TEMPLATE };
        const work = startSynchronousTask(context, request, reply, order);
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
          ...buildResultUrls(request, context.settings, FILES, work.task),
        };
      },
    );
  },
});
