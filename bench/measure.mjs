// Windows of load, fired in turns at the servers that are compared.

import { cpuSeconds, watchMemory } from './proc-stats.mjs';
import { round, rounded } from './stats.mjs';
import { checkRunning } from './tasks.mjs';

/**
 * `on`: the servers by name, each with its path, what it is asked (`body` or `requests`) and what it is to answer. A round has one window on
 * each. `drop`: told of a server that answers wrongly, which then is measured no more; without it that is the end.
 */
export async function measureRounds({ name, calls, on, drop }, { fire, settings, say }) {
  const { rounds: count, warmUpSeconds, windowSeconds } = settings;
  let names = Object.keys(on);
  const rounds = [];

  async function windowsOn(servers, seconds) {
    const measured = {};
    for (const server of servers) {
      try {
        measured[server] = await measureWindow(fire, on[server], { ...calls, seconds }, name);
      } catch (error) {
        if (!drop || server === 'bare' || server === 'emulator') throw error;
        names = names.filter((other) => other !== server);
        for (const round of rounds) delete round[server];
        await drop(server, error);
      }
    }
    return measured;
  }

  const warmUp = await windowsOn(names, warmUpSeconds);
  const warmUpRequests = Object.fromEntries(Object.entries(warmUp).map(([server, { requests }]) => [server, requests]));
  for (let number = 1; number <= count; number++) {
    // To and fro, so that a machine that gets slower does not always slow the same one.
    const measured = await windowsOn(number % 2 ? names : names.toReversed(), windowSeconds);
    rounds.push(measured);
    const told = Object.entries(measured).map(([server, { perSecond }]) => `${server} ${perSecond}`);
    say(`${name} ${number}/${count}  ${told.join('  ')}`);
  }
  return { connections: calls.connections, warmUpRequests, rounds };
}

/**
 * `areNew`: each answer tells of a task that was not there before.
 * @throws Error when an answer was wrong: a server that fails fast is no fast server
 */
export async function measureWindow(fire, { server, path, expected, areNew, ...asked }, calls, name) {
  const memory = watchMemory(server.pid);
  const cpuBefore = cpuSeconds(server.pid);
  const answered = await fire({ ...calls, ...asked, url: server.url + path, expected, areNew });
  const { told = [], ...result } = answered;
  const cpu = cpuBefore === undefined ? undefined : cpuSeconds(server.pid) - cpuBefore;
  const mostMib = memory();
  server.emptyLog();
  refuseWrong(name, result);
  for (const taskId of told) await checkRunning(server.url, taskId);
  return {
    ...result,
    serverBusy: cpu && round(cpu / result.seconds, 2),
    cpuMicrosPerRequest: cpu && round((cpu * 1e6) / result.requests, 1),
    mostMib: rounded(mostMib),
  };
}

function refuseWrong(name, { requests, non2xx, wrongLength, errors, read, wrongBodies, wrongBody, notNew = 0 }) {
  const complaints = [
    requests === 0 && 'nothing was answered',
    non2xx > 0 && `${non2xx} were not 2xx`,
    wrongLength > 0 && `${wrongLength} were not of the right length`,
    errors > 0 && `${errors} never came`,
    wrongBodies > 0 && `of ${read} that were read ${wrongBodies} were wrong, the first: ${wrongBody}`,
    notNew > 0 && `${notNew} told of a task that was there before`,
  ].filter(Boolean);
  if (complaints.length > 0) throw new Error(`${name}: of ${requests} answers ${complaints.join(', ')}`);
}
