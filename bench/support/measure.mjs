// Windows of load on the servers to compare, in turns.
import { round, roundToTenth } from '../report/stats.mjs';
import { cpuSeconds, watchMemory } from './proc-stats.mjs';
import { checkRunning } from './tasks.mjs';

/**
 * `targets`: the targets by server name, each with a path, `body` or `requests`, and the expected response. Each round
 * has one window per server. `onDropped`: called with a server that responded incorrectly, which is then left out;
 * without it, the error ends the run.
 */
export async function measureRounds({ name, calls, targets, onDropped }, { fire, settings, log }) {
  const { rounds: count, warmUpSeconds, windowSeconds } = settings;
  let names = Object.keys(targets);
  const rounds = [];

  async function windowsOn(servers, seconds) {
    const measured = {};
    for (const server of servers) {
      try {
        measured[server] = await measureWindow(fire, targets[server], { ...calls, seconds }, name);
      } catch (error) {
        if (!onDropped || server === 'bare' || server === 'emulator') throw error;
        names = names.filter((other) => other !== server);
        for (const round of rounds) delete round[server];
        await onDropped(server, error);
      }
    }
    return measured;
  }

  const warmUp = await windowsOn(names, warmUpSeconds);
  const warmUpRequests = Object.fromEntries(Object.entries(warmUp).map(([server, { requests }]) => [server, requests]));
  for (let number = 1; number <= count; number++) {
    // Alternates the order, so that a machine that becomes slower does not always slow down the same server.
    const measured = await windowsOn(number % 2 ? names : names.toReversed(), windowSeconds);
    rounds.push(measured);
    const rates = Object.entries(measured).map(([server, { perSecond }]) => `${server} ${perSecond}`);
    log(`${name} ${number}/${count}  ${rates.join('  ')}`);
  }
  return { connections: calls.connections, warmUpRequests, rounds };
}

/**
 * `mustBeNew`: each response must have a new task id.
 *
 * @throws Error when a response was wrong: a server that fails fast is not a fast server
 */
export async function measureWindow(fire, { server, path, expected, mustBeNew, ...target }, calls, name) {
  const memory = watchMemory(server.pid);
  const cpuBefore = cpuSeconds(server.pid);
  const { taskIds = [], ...result } = await fire({ ...calls, ...target, url: server.url + path, expected, mustBeNew });
  const cpu = cpuBefore === undefined ? undefined : cpuSeconds(server.pid) - cpuBefore;
  const maxMib = memory();
  server.emptyLog();
  assertCorrect(name, result);
  for (const taskId of taskIds) await checkRunning(server.url, taskId);
  return {
    ...result,
    serverBusy: cpu && round(cpu / result.seconds, 2),
    cpuMicrosPerRequest: cpu && round((cpu * 1e6) / result.requests, 1),
    maxMib: roundToTenth(maxMib),
  };
}

/** @throws Error when a response of the window was wrong */
export function assertCorrect(
  name,
  { requests, non2xx, wrongLength, errors, read, wrongBodies, wrongBody, notNew = 0 },
) {
  const problems = [
    requests === 0 && 'there was none',
    non2xx > 0 && `${non2xx} were not 2xx`,
    wrongLength > 0 && `${wrongLength} had the wrong length`,
    errors > 0 && `${errors} were lost`,
    wrongBodies > 0 && `${wrongBodies} of ${read} checked bodies were wrong, the first: ${wrongBody}`,
    notNew > 0 && `${notNew} had a task id that was not new`,
  ].filter(Boolean);
  if (problems.length > 0) throw new Error(`${name}: of ${requests} responses ${problems.join(', ')}`);
}
