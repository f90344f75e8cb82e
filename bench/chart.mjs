// Draws the ratios of a run as plain SVG, readable on light and dark pages.
import { compare, median, percent } from './stats.mjs';
import { slowdown } from './tables-growth.mjs';
import { TARGETS } from './targets.mjs';

export const CHART_NAME = 'bench.svg';

const WIDTH = 760;
const LABEL_WIDTH = 250;
const BAR_LEFT = LABEL_WIDTH + 14;
/** Width of the bar for the largest ratio on a group's axis. */
const BAR_WIDTH = 400;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 24;
const TITLE_HEIGHT = 42;
const GROUP_GAP = 22;
const MARGIN = 16;
/** Space for the value behind a bar, including margins. */
const VALUE_WIDTH = 56;

const STYLE = `
  .page { fill: #ffffff }
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .note { fill: #59636e; font-size: 12px }
  .ours { fill: #0969da }
  .other { fill: #8c959f }
  .target { stroke: #bc4c00; stroke-width: 2; stroke-dasharray: 4 3 }
  .axis { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .other { fill: #656c76 }
    .target { stroke: #f0883e }
    .axis { stroke: #3d444d }
  }`;

/** Undefined when the run has nothing to show. */
export function toChart(raw) {
  const groups = [relativeToBare(raw, 'poll'), relativeToBare(raw, 'generate'), relativeToEmpty(raw)].filter(
    ({ bars }) => bars.length > 0,
  );
  if (groups.length === 0) return undefined;
  let top = MARGIN;
  const drawn = groups.map((group) => {
    const part = drawGroup(group, top);
    top += heightOf(group);
    return part;
  });
  const height = top - GROUP_GAP + MARGIN;
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  const label = `Benchmark of ${raw.date.slice(0, 10)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${label}">
<style>${STYLE}
</style>
<rect class="page" width="${WIDTH}" height="${height}" rx="6"/>
${drawn.join('\n')}
</svg>
`;
}

/** Requests per second relative to bare Fastify in the same rounds. */
function relativeToBare({ load = {}, peers }, what) {
  const isPoll = what === 'poll';
  const run = isPoll ? 'poll32' : 'generate32';
  const ratio = (rounds, name) => compare(rounds, name, 'perSecond').ratio;
  const bar = (label, rounds, name, more = {}) => ({ label, value: ratio(rounds, name), ...more });
  const bars = [];
  if (load[run]) {
    const target = isPoll ? TARGETS.poll32.ratio : TARGETS.memory.ratio;
    bars.push(bar('emulator, in memory', load[run].rounds, 'memory', { isOurs: true, target }));
  }
  if (load[run] && !isPoll) {
    const more = { isOurs: true, target: TARGETS.disk.ratio };
    bars.push(bar('emulator, on a data directory', load[run].rounds, 'disk', more));
  }
  for (const { name, version } of peers?.kinds ?? []) {
    if (!version) continue;
    bars.push(bar(`${name} ${version}`, peers[run].rounds, name));
  }
  return {
    title: `${isPoll ? 'check-status' : 'generate'}: requests per second, bare Fastify = 1`,
    note: '32 connections; the dashed line is the target',
    max: 1,
    bars,
    show: (value) => value.toFixed(2),
  };
}

function relativeToEmpty({ growth }) {
  const share = (run) => 1 - slowdown(growth[run], 'perSecond', true);
  const startShare = () => {
    const { full, empty } = growth.start;
    return median(empty.map(({ firstResponseMs }, index) => firstResponseMs / full[index].firstResponseMs));
  };
  const target = 1 - TARGETS.growth;
  const bars = growth
    ? [
        { label: 'check-status, 32 connections', value: share('poll32'), isOurs: true, target },
        { label: 'check-status of 200 accounts in turn', value: share('manyPoll32'), isOurs: true, target },
        { label: 'generate, 32 connections', value: share('generate32'), isOurs: true, target },
        { label: 'start to first response', value: startShare(), isOurs: true, target },
      ]
    : [];
  return {
    title: `Speed with ${growth?.filled.tasks.toLocaleString('en')} tasks in the database, empty = 100 %`,
    note: 'both on a data directory; the dashed line is the target',
    max: 1.25,
    bars,
    show: percent,
  };
}

const heightOf = ({ bars }) => TITLE_HEIGHT + bars.length * ROW_HEIGHT + GROUP_GAP;

function drawGroup({ title, note, max, bars, show }, top) {
  const scale = Math.max(max, ...bars.map(({ value }) => value));
  const x = (value) => Math.round((BAR_LEFT + (value / scale) * BAR_WIDTH) * 10) / 10;
  const rows = bars.map(({ label, value, isOurs, target }, index) => {
    const y = top + TITLE_HEIGHT + index * ROW_HEIGHT;
    const middle = y + BAR_HEIGHT / 2;
    return [
      textAt(LABEL_WIDTH, middle, label, 'end'),
      `<rect class="${isOurs ? 'ours' : 'other'}" x="${BAR_LEFT}" y="${y}" ` +
        `width="${Math.max(1, x(value) - BAR_LEFT).toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
      textAt(valueAt(x(value), target && x(target)), middle, show(value)),
      target
        ? `<line class="target" x1="${x(target)}" x2="${x(target)}" y1="${y - 3}" y2="${y + BAR_HEIGHT + 3}"/>`
        : '',
    ];
  });
  const bottom = top + TITLE_HEIGHT + bars.length * ROW_HEIGHT - (ROW_HEIGHT - BAR_HEIGHT) + 4;
  return [
    textAt(MARGIN, top + 8, title, 'start', 'title'),
    textAt(MARGIN, top + 26, note, 'start', 'note'),
    `<line class="axis" x1="${BAR_LEFT}" x2="${BAR_LEFT}" y1="${top + TITLE_HEIGHT - 4}" y2="${bottom}"/>`,
    `<line class="axis" x1="${x(1)}" x2="${x(1)}" y1="${top + TITLE_HEIGHT - 4}" y2="${bottom}"/>`,
    ...rows.flat().filter(Boolean),
  ].join('\n');
}

/** Behind the bar, or behind the target line if that would cross the value. */
function valueAt(end, target) {
  const isCrossed = target >= end && target < end + VALUE_WIDTH;
  return (isCrossed ? target : end) + 8;
}

function textAt(x, middle, text, anchor = 'start', kind = undefined) {
  const classAttribute = kind ? ` class="${kind}"` : '';
  const escaped = text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign]);
  const position = `x="${x}" y="${middle}" text-anchor="${anchor}" dominant-baseline="central"`;
  return `<text${classAttribute} ${position}>${escaped}</text>`;
}
