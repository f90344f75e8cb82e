// The emulator with many tasks compared with an empty one.
import { compare, median, mib, ms, percent, spread, table } from './stats.mjs';
import { TARGETS, within } from './targets.mjs';

/** How much slower (or larger) `full` is than `empty`, as a share. `isRate`: the figure is better when higher. */
export const slowdown = ({ rounds }, figure, isRate) => {
  const { ratio } = compare(rounds, 'full', figure, 'empty');
  return isRate ? 1 - ratio : ratio - 1;
};

export function growthTables({ growth }) {
  if (!growth) return undefined;
  const { filled, start } = growth;
  const row = (label, run, figure, show, isRate) => {
    const { rounds } = growth[run];
    const { emulator, bare } = compare(rounds, 'full', figure, 'empty');
    const share = slowdown(growth[run], figure, isRate);
    const ownSpread = percent(spread(rounds.map(({ empty }) => empty[figure])));
    return [label, show(emulator), show(bare), change(share), ownSpread, within(share, TARGETS.growth)];
  };
  const startRow = (label, figure, show) => {
    const all = (kind) => start[kind].map((measured) => measured[figure]);
    if (all('full').includes(undefined)) return [];
    const share = median(all('full').map((full, index) => full / all('empty')[index])) - 1;
    const ownSpread = percent(spread(all('empty')));
    const [full, empty] = [median(all('full')), median(all('empty'))];
    return [[label, show(full), show(empty), change(share), ownSpread, within(share, TARGETS.growth)]];
  };
  const rate = (value) => value.toFixed(0);
  const cost = (value) => `${value.toFixed(1)} µs`;
  const hasCost = growth.poll32.rounds[0].full.cpuMicrosPerRequest !== undefined;
  const costRows = (label, run) => (hasCost ? [row(label, run, 'cpuMicrosPerRequest', cost, false)] : []);
  const header = ['on a data directory', `${filled.tasks.toLocaleString('en')} tasks`, 'none'];
  return table(header.concat('slowdown or increase', 'spread of the empty one', 'target'), [
    row('check-status, 32 connections, req/s', 'poll32', 'perSecond', rate, true),
    ...costRows('check-status, CPU per request', 'poll32'),
    row('check-status of 200 accounts in turn, req/s', 'manyPoll32', 'perSecond', rate, true),
    ...costRows('check-status of 200 accounts, CPU per request', 'manyPoll32'),
    row('generate, 32 connections, req/s', 'generate32', 'perSecond', rate, true),
    ...costRows('generate, CPU per request', 'generate32'),
    ...startRow('start to first response', 'firstResponseMs', ms),
    ...startRow('resident memory, idle', 'idleMib', mib),
  ]);
}

const change = (share) => `${share < 0 ? '−' : ''}${Math.abs(share * 100).toFixed(1)} %`;
