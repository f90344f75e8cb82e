import { type DestinationStream, pino } from 'pino';
import type { Config } from './config.ts';

/** Readable on a terminal, JSON lines otherwise. */
export async function createLogger({ logLevel }: Pick<Config, 'logLevel'>) {
  const pretty = process.stdout.isTTY && logLevel !== 'silent';
  const destination: DestinationStream = pretty
    ? (await import('pino-pretty')).default({ sync: true, ignore: 'pid,hostname,reqId' })
    : pino.destination({ fd: 1, sync: true });
  return pino({ level: logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
