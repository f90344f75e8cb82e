// The CPU time of the journal: an emulator with one and an emulator without one serve the same requests in turns, in
// more and shorter windows than others, because the difference is smaller than the noise of a single window.
import { measureRounds } from '../support/measure.mjs';
import { startServer } from '../support/process-runner.mjs';
import { HEADERS } from '../support/tasks.mjs';
import { generateTargets, inMemory, pollTargets } from './throughput.mjs';

export async function measureJournal(run) {
  const servers = {
    journaled: await startServer(inMemory(run.emulator)),
    unjournaled: await startServer([...inMemory(run.emulator), '--journal-entries=0']),
  };
  const settings = { ...run.settings, ...run.settings.journal };
  const calls = { method: 'POST', headers: HEADERS, connections: 32 };
  const measure = (name, targets) => measureRounds({ name, calls, targets }, { ...run, settings });
  const polls = await measure('journal of polls', await pollTargets(servers));
  const generates = await measure('journal of generate requests', generateTargets(servers));
  for (const server of Object.values(servers)) await server.stop();
  return { polls, generates };
}
