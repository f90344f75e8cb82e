import * as z from 'zod';
import { seededHex } from '../core/random.ts';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { defineFamily, defineRoute } from '../http/family.ts';
import type { ErrorTable } from '../http/pipeline/error-table.ts';
import { getAccount } from '../http/pipeline/request-state.ts';
import { routeProvenance } from '../http/pipeline/route-docs.ts';
import { resultFile } from '../http/results/result-file.ts';
import { buildResultUrls } from '../http/urls.ts';
import { WATERMARK_REMOVED } from '../rendering/content.ts';
import { requestFields, whenString } from './kit/request-fields.ts';
import { startSynchronousTask } from './kit/synchronous-task.ts';

const FAMILY = 'sora-watermark';

/** A substring of every link to a Sora video. */
const SHARE_LINK_SUBSTRING = 'sora.chatgpt.com/p/';

/** Not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [5, 20], steps: [{ name: 'removing', share: 1 }] };

const ERRORS = {
  MISSING_SHARE_LINK: { status: 400, error: 'Share link is required' },
  INVALID_SHARE_LINK: { status: 400, error: `Invalid share link. It must contain ${SHARE_LINK_SUBSTRING}` },
  GENERATION_FAILED: { status: 500, error: 'Watermark removal failed' },
} satisfies ErrorTable;

const fields = requestFields(ERRORS);

const Body = z.object({
  share_link: fields
    .requiredText('MISSING_SHARE_LINK')
    .refine(
      whenString((link) => link.includes(SHARE_LINK_SUBSTRING)),
      fields.withCode('INVALID_SHARE_LINK'),
    )
    .meta({ pattern: SHARE_LINK_SUBSTRING.replaceAll('.', '\\.') }),
});

const RemovedWatermark = z
  .strictObject({ success: z.literal(true), status: z.literal('completed'), url: z.url() })
  .meta({ id: 'RemovedWatermark' });

/** Names the file by key and link: the same link always has the same URL, and keys never share one. */
const toClientRef = (key: string, link: string) => seededHex(32, 'watermark', key, link.trim());
const FILES = { url: resultFile('sora/watermark-remover', 'mp4', {}, () => WATERMARK_REMOVED, 'clientRef') };

/** Sora watermark removal. The vendor only names the API; everything else is known from public clients. */
export const soraWatermark = defineFamily({
  name: FAMILY,
  title: 'Sora watermark removal',
  /** No price is known. */
  prices: 0,
  files: FILES,
  routes: [
    defineRoute({
      path: '/api/sora/remove-watermark',
      kind: 'synchronous',
      body: Body,
      errors: ERRORS,
      docs: {
        summary: 'Remove the watermark of a Sora video',
        provenance: routeProvenance('observed', { endpoint: 'documented', prices: 'assumed' }),
        responses: [RemovedWatermark],
        prices: { per: 'request', by: [] },
      },
      handle: async (context, request, reply, price: number) => {
        const input = request.body;
        const clientRef = toClientRef(getAccount(request).key, input.share_link);
        const order = { family: FAMILY, price, input, clientRef, template: TEMPLATE };
        const work = startSynchronousTask(context, request, reply, order);
        try {
          await work.finish();
        } catch (error) {
          work.fail(error);
          throw error;
        }
        work.complete();
        return { success: true, status: 'completed', ...buildResultUrls(request, context.settings, FILES, work.task) };
      },
    }),
  ],
});
