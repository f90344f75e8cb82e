import type { HttpContext } from '../../http/context.ts';
import { defineOperation, type Operation } from '../operation.ts';

/** Metrics in the Prometheus text format, written by hand because a client library would cost more than it saves. */
export const metricsOperations = ({ core, journal }: HttpContext): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/metrics',
    name: 'getMetrics',
    tag: 'emulator',
    summary: 'Get metrics',
    description: 'In the Prometheus text format.',
    responses: { 200: { types: ['text/plain'], description: 'One sample per line, after its HELP and TYPE lines.' } },
    codes: ['TOO_MANY_OPEN_FILES'],
    isOpen: true,
    async handler(_request, reply) {
      const { rss, heapUsed } = process.memoryUsage();
      const lines = [
        ...formatMetric('nanophoto_accounts', 'gauge', 'Number of accounts.', [['', core.accounts.count()]]),
        ...formatMetric(
          'nanophoto_tasks',
          'gauge',
          'Tasks by family and status.',
          core.tasks.counts().map(({ family, status, count }) => [`{family="${family}",status="${status}"}`, count]),
        ),
        ...formatMetric(
          'nanophoto_requests_total',
          'counter',
          'Requests with a known API key by response status.',
          journal.getResponseCounts().map(([status, count]) => [`{status="${status}"}`, count]),
        ),
        ...formatMetric('nanophoto_unauthorized_total', 'counter', 'Requests rejected without a known API key.', [
          ['', journal.getUnauthorizedCount()],
        ]),
        ...formatMetric(
          'nanophoto_memory_bytes',
          'gauge',
          'Memory held on behalf of clients, by use.',
          Object.entries(core.memory.usedBytes).map(([use, bytes]) => [`{use="${use}"}`, bytes]),
        ),
        ...formatMetric(
          'nanophoto_memory_budget_bytes',
          'gauge',
          'Limit of nanophoto_memory_bytes (--memory-budget-mb).',
          [['', core.memory.maxBytes]],
        ),
        ...formatMetric('nanophoto_resident_memory_bytes', 'gauge', 'Resident memory.', [['', rss]]),
        ...formatMetric('nanophoto_heap_used_bytes', 'gauge', 'Used heap.', [['', heapUsed]]),
      ];
      return reply.type('text/plain; version=0.0.4; charset=utf-8').send(`${lines.join('\n')}\n`);
    },
  }),
];

function formatMetric(name: string, type: string, help: string, values: (readonly [string, number])[]): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map(([labels, value]) => `${name}${labels} ${value}`),
  ];
}
