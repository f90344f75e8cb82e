import { type Logger, pino } from 'pino';
import { expect, it } from 'vitest';
import { createLogger } from '../../src/server/logger.ts';

function getDestination(logger: Logger): object {
  const symbol = Object.getOwnPropertySymbols(logger).find(({ description }) => description === 'pino.stream');
  return (logger as unknown as Record<symbol, object>)[symbol!]!;
}

it('a silent logger opens no destination, which pino would flush to the disk when the process exits', async () => {
  expect(getDestination(pino({ level: 'silent' }))).toHaveProperty('fd');
  const { logger } = await createLogger({ logLevel: 'silent' });
  expect(getDestination(logger)).not.toHaveProperty('fd');
});
