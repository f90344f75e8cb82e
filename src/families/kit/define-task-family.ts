import type { FastifyRequest } from 'fastify';
import type * as z from 'zod';
import type { PlanTemplate } from '../../core/tasks/plan.ts';
import type { Task } from '../../core/tasks/task.ts';
import type { HttpContext } from '../../http/context.ts';
import { defineFamily, defineRoute, type Family } from '../../http/family.ts';
import type { ErrorTable } from '../../http/pipeline/error-table.ts';
import type { PricedBy, RouteProvenance } from '../../http/pipeline/route-docs.ts';
import type { PriceTable, SameShape } from '../../http/prices.ts';
import { buildResultUrls } from '../../http/urls.ts';
import { poll as pollTasks, submit } from './task-requests.ts';

/** A family whose requests create tasks: one route submits them, the other polls them. */
interface TaskFamilyDefinition<
  Body extends z.ZodType,
  Input,
  Prices extends PriceTable,
  Errors extends ErrorTable,
  PollBody extends z.ZodType,
> extends TaskResponses<PollBody>,
    Pick<Family, 'name' | 'title' | 'files'>,
    Partial<Pick<Family, 'clientIds'>> {
  /** The routes are `${path}/generate` and `${path}/check-status`. */
  path: string;
  /** Describes the generate route in a few words. */
  summary: string;
  provenance: RouteProvenance;
  body: Body;
  errors: Errors;
  prices: Prices;
  /** The request fields that the levels of `prices` stand for, outermost first. */
  pricedBy: readonly PricedBy[];
  pricedPer?: 'request' | 'shot';
  /** The inputs of the tasks of a request, which run one after another. Default: one task, whose input is the body. */
  toInputs?: (body: z.output<Body>) => Input[];
  /** The client's own name for a task. */
  toClientRef?: (input: Input) => string;
  /** The price of a task; `prices` are the prices in effect. */
  priceOf: (input: Input, prices: SameShape<Prices>) => number;
  planOf: (input: Input) => PlanTemplate;
}

/** How the tasks of a family appear in responses. Families with the same responses share one. */
export interface TaskResponses<PollBody extends z.ZodType> {
  /** The schema of the response to a submitted request. */
  accepted: z.ZodType;
  toAccepted: (tasks: Task[]) => object;
  poll: {
    summary: string;
    body: PollBody;
    errors: ErrorTable;
    /** The schemas of the responses for unfinished and completed tasks. */
    responses: readonly z.ZodType[];
    /** The schema of the response for failed tasks. */
    failed: z.ZodType;
    toTaskIds: (body: z.output<PollBody>) => string[];
    /** The response body. `tasks` has undefined for ids that are not of this account and family. */
    respond: (tasks: (Task | undefined)[], body: z.output<PollBody>, poll: Poll) => { status: string };
  };
}

/** A poll in progress. */
export interface Poll {
  context: HttpContext;
  request: FastifyRequest;
  family: string;
  /** The URLs of a completed task's files, by response field. */
  urlsOf: (task: Task) => Readonly<Record<string, string>>;
}

/** Defines a family of tasks: both routes, their documentation, prices and result files. */
export function defineTaskFamily<
  Body extends z.ZodType,
  const Prices extends PriceTable,
  const Errors extends ErrorTable,
  PollBody extends z.ZodType,
  Input = z.output<Body>,
>(definition: TaskFamilyDefinition<Body, Input, Prices, Errors, PollBody>): Family {
  const { name, title, path, summary, provenance, body, errors, prices, files, clientIds } = definition;
  const { pricedBy, pricedPer = 'request', priceOf, planOf, toClientRef, accepted, toAccepted, poll } = definition;
  const { toInputs = (input: unknown) => [input as Input] } = definition;

  const toOrder = (input: Input, effectivePrices: SameShape<Prices>) => ({
    family: name,
    price: priceOf(input, effectivePrices),
    input,
    ...(toClientRef && { clientRef: toClientRef(input) }),
    template: planOf(input),
  });

  const generate = defineRoute({
    path: `${path}/generate`,
    kind: 'submit',
    body,
    errors,
    docs: { summary, provenance, responses: [accepted], prices: { per: pricedPer, by: pricedBy } },
    handle: (context, request, _reply, effectivePrices) => {
      const orders = toInputs(request.body).map((input) => toOrder(input, effectivePrices as SameShape<Prices>));
      return toAccepted(submit(context, request, orders));
    },
  });

  const checkStatus = defineRoute({
    path: `${path}/check-status`,
    kind: 'poll',
    body: poll.body,
    errors: poll.errors,
    docs: { summary: poll.summary, provenance, responses: poll.responses, failed: poll.failed },
    handle: (context, request, reply) => {
      const { settings } = context;
      const tasks = pollTasks(context, request, name, poll.toTaskIds(request.body));
      const urlsOf = (task: Task) => buildResultUrls(request, settings, files, task);
      const response = poll.respond(tasks, request.body, { context, request, family: name, urlsOf });
      if (response.status === 'failed') {
        // Sora 2's sample of a failed task has status 200, its table of error codes says 500.
        reply.code(settings.failedTaskStatus);
        request.state.errorCode = 'GENERATION_FAILED';
      }
      return response;
    },
  });

  return defineFamily({ name, title, prices, files, ...(clientIds && { clientIds }), routes: [generate, checkStatus] });
}
