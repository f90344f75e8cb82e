// Other mock servers, as far as they could be had.
import { compare, median, mib, ms, table } from './stats.mjs';

export function peerTable({ peers }) {
  if (!peers) return undefined;
  const { kinds, missing, poll32, generate32 } = peers;
  const header = ['32 connections', 'check-status req/s', 'beside bare', 'generate req/s', 'beside bare'];
  header.push('start to first answer', 'memory, idle', 'how');
  const rows = kinds.map(({ name, version, how, starts }) => {
    const of = (figure) => median(starts.map((start) => start[figure]));
    const idle = starts.some(({ idleMib }) => idleMib === undefined) ? undefined : of('idleMib');
    const rates = [poll32, generate32].flatMap(({ rounds }) => {
      const { emulator, ratio } = compare(rounds, name, 'perSecond');
      return [emulator.toFixed(0), ratio.toFixed(2)];
    });
    return [titleOf(name, version), ...rates, ms(of('answeredMs')), mib(idle), how];
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
