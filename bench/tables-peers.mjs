// Other mock servers, if they could be installed.
import { compare, median, mib, ms, table } from './stats.mjs';

export function peerTable({ peers }) {
  if (!peers) return undefined;
  const { kinds, missing, poll32, generate32 } = peers;
  const header = ['32 connections', 'check-status req/s', 'vs. bare', 'generate req/s', 'vs. bare'];
  header.push('start to first response', 'memory, idle', 'how');
  const rows = kinds.map(({ name, version, how, starts }) => {
    const medianOf = (figure) => median(starts.map((start) => start[figure]));
    const idle = starts.some(({ idleMib }) => idleMib === undefined) ? undefined : medianOf('idleMib');
    const rates = [poll32, generate32].flatMap(({ rounds }) => {
      const { emulator, ratio } = compare(rounds, name, 'perSecond');
      return [emulator.toFixed(0), ratio.toFixed(2)];
    });
    return [titleOf(name, version), ...rates, ms(medianOf('firstResponseMs')), mib(idle), how];
  });
  const left = missing.map(({ name, version, reason }) => `${titleOf(name, version)} is not measured: ${reason}.\n`);
  const empty = missing.map(({ name, version }) => [
    titleOf(name, version),
    ...Array(header.length - 2).fill('–'),
    'not measured, see below',
  ]);
  return [table(header, [...rows, ...empty]), ...left].join('\n');
}

const titleOf = (name, version) => (version ? `${name} ${version}` : name);
