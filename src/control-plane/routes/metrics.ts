import type { App, HttpContext } from '../../http/context.ts';

/** What is counted since the start, in the text format of Prometheus. Written by hand: it is a dozen lines. */
export function registerMetrics(app: App, { core, journal }: HttpContext): void {
  const operation = {
    name: 'getMetrics',
    tag: 'emulator',
    summary: 'Counts what it has done.',
    description: 'In the text format of Prometheus.',
    responses: { 200: { types: ['text/plain'], description: 'A metric a line, after what it is.' } },
    isOpen: true,
  } as const;
  app.get('/metrics', { config: { operation } }, async (_request, reply) => {
    const { rss, heapUsed } = process.memoryUsage();
    const lines = [
      ...formatMetric('nanophoto_accounts', 'gauge', 'Accounts there are.', [['', core.accounts.count()]]),
      ...formatMetric(
        'nanophoto_tasks',
        'gauge',
        'Tasks by status.',
        core.tasks.counts().map(({ family, status, count }) => [`{family="${family}",status="${status}"}`, count]),
      ),
      ...formatMetric(
        'nanophoto_requests_total',
        'counter',
        'Requests of known accounts by the status of their answer.',
        journal.getResponseCounts().map(([status, count]) => [`{status="${status}"}`, count]),
      ),
      ...formatMetric('nanophoto_unauthorized_total', 'counter', 'Requests refused for want of a known key.', [
        ['', journal.getUnauthorizedCount()],
      ]),
      ...formatMetric('nanophoto_resident_memory_bytes', 'gauge', 'Resident memory.', [['', rss]]),
      ...formatMetric('nanophoto_heap_used_bytes', 'gauge', 'Used heap.', [['', heapUsed]]),
    ];
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(`${lines.join('\n')}\n`);
  });
}

function formatMetric(name: string, type: string, help: string, values: (readonly [string, number])[]): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map(([labels, value]) => `${name}${labels} ${value}`),
  ];
}
