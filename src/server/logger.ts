import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { type DestinationStream, type Logger, pino } from 'pino';
import { Date } from '../core/globals.ts';
import { systemClock } from '../core/time/clock.ts';
import type { Config } from '../settings/config.ts';

const FILE_DESCRIPTORS = { stdout: 1, stderr: 2 };
/** Limit of the lines buffered for a pipe that is not read. Further lines are dropped. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
const FLUSH_TIMEOUT_MS = 300;

/** Fields that are left out on a terminal, because the message already contains them. */
const PRETTY_FIELDS =
  'method,path,account,status,errorCode,reason,durationMs,requestId,url,httpsPort,data,firstKey,adminToken,version,signal';

/** Creates a logger: formatted lines on a terminal, else JSON lines. `flush` waits a short time for pending lines. */
export async function createLogger({
  logLevel,
  to = 'stdout',
}: Pick<Config, 'logLevel'> & { to?: keyof typeof FILE_DESCRIPTORS }): Promise<{
  logger: Logger;
  flush: () => Promise<unknown>;
}> {
  const options = { level: logLevel, base: null, timestamp: isoTime };
  // Without a destination, pino would open one that is flushed to the disk when the process exits.
  if (logLevel === 'silent') return { logger: pino(options, { write() {} }), flush: async () => {} };
  const fd = FILE_DESCRIPTORS[to];
  if (process[to].isTTY) {
    const { default: pretty } = await import('pino-pretty');
    const stream = pretty({
      sync: true,
      destination: fd,
      ignore: PRETTY_FIELDS,
      messageFormat: formatMessage,
      translateTime: 'SYS:HH:MM:ss',
    });
    return { logger: pino(options, stream), flush: async () => {} };
  }
  const stats = fstatSync(fd);
  if (!stats.isFIFO() && !stats.isSocket()) {
    const file = openFile(fd);
    return { logger: pino(options, file), flush: async () => file.close() };
  }
  const pipe = openPipe(fd);
  return {
    logger: pino(options, pipe),
    flush: () => Promise.race([pipe.drain(), systemClock.sleep(FLUSH_TIMEOUT_MS)]),
  };
}

/** Opens a file and writes the lines of one event-loop turn at once: a write per line costs more than the line. */
function openFile(fd: number): DestinationStream & { close: () => void } {
  const file = pino.destination({ fd, sync: true });
  let lines = '';
  const flush = () => {
    const batch = lines;
    lines = '';
    if (batch !== '') file.write(batch);
  };
  process.on('exit', flush);
  return {
    write(line) {
      if (lines === '') systemClock.atTurnEnd(flush);
      lines += line;
    },
    close() {
      flush();
      process.off('exit', flush);
    },
  };
}

/**
 * Opens standard output or standard error as a pipe that never blocks. If the parent process does not read the pipe, a
 * blocking write would stop all responses and the shutdown once it is full.
 */
function openPipe(fd: number): DestinationStream & { drain: () => Promise<void> } {
  const socket = new Socket({ fd, readable: false, writable: true });
  // The emulator continues when the reader closes the pipe.
  socket.on('error', () => {});
  socket.unref();
  let isCorked = false;
  const uncork = () => {
    if (isCorked) socket.uncork();
    isCorked = false;
  };
  return {
    write(line) {
      if (socket.writableLength > MAX_PENDING_BYTES || !socket.writable) return;
      if (!isCorked) {
        // Writes the lines of one event-loop turn at once.
        isCorked = true;
        socket.cork();
        systemClock.atTurnEnd(uncork);
      }
      socket.write(line);
    },
    drain() {
      uncork();
      return new Promise((resolve) => void socket.write('', () => resolve()));
    },
  };
}

let lastMs = Number.NaN;
let lastText = '';

/** Like pino's `isoTime`, but formats the time once per millisecond instead of once per line. */
function isoTime(): string {
  const nowMs = systemClock.nowMs();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = `,"time":"${new Date(nowMs).toISOString()}"`;
  }
  return lastText;
}

function formatMessage(line: Record<string, unknown>, messageKey: string): string {
  const { method, path, status, errorCode, reason, account, durationMs, requestId, url, data } = line;
  if (method) {
    const text = [method, path, status, errorCode, account, `${durationMs} ms`, requestId].filter(Boolean).join(' ');
    // Paths come from clients and may contain control characters, which a terminal would interpret.
    return (reason ? `${text} (${reason})` : text).replace(/\p{Cc}/gu, '\uFFFD');
  }
  if (!data) return String(line[messageKey]);
  const facts = Object.entries({
    console: `${url}/console`,
    'https port': line.httpsPort,
    'first key': line.firstKey,
    'admin token': line.adminToken,
    data,
  });
  const lines = facts.filter(([, value]) => value).map(([name, value]) => `\n    ${name.padEnd(13)}${value}`);
  return `${line[messageKey]}${lines.join('')}`;
}
