import type { Random } from '../core/random.ts';
import { formatNumber, partition } from './partition.ts';
import { interpolate, type Phrases, toSingleLine } from './phrases.ts';

export interface AnalysisRequest {
  kind: keyof Phrases['analysis']['sources'];
  /** Name of the source: a link or a file name; may be empty. */
  name: string;
  durationMs: number;
}

const MS_PER_SHOT = 3000;
const MAX_SHOTS = 24;
const MIN_SHOT_MS = 250;
/** Number of shots whose visual descriptions form the prompt at the end. */
const PROMPT_SHOTS = 3;

type Scene = Phrases['analysis']['scenes'][number];
type Shot = Scene['shots'][number];

/** Writes a Markdown table with one row per shot, whose durations add up to the exact video length, and a summary. */
export function writeAnalysis(request: AnalysisRequest, phrases: Phrases, random: Random): string {
  const { analysis, labels: common } = phrases;
  const { labels, columns } = analysis;
  const { durationMs } = request;
  const targetCount = Math.round((durationMs / MS_PER_SHOT) * (0.8 + random.next() * 0.4));
  const maxCount = Math.max(1, Math.floor(durationMs / MIN_SHOT_MS));
  const count = Math.min(Math.max(targetCount, 1), MAX_SHOTS, maxCount);
  const boundaries = partition(durationMs, count, [500, 100, 10, 1], random);
  const scenes = random.shuffle(analysis.scenes);
  const shots = pickShots(scenes, count);
  const line = (label: string, text: string) => `**${label}${common.colon.trimEnd()}** ${text}`;
  const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const source = [analysis.sources[request.kind], toSingleLine(request.name)].filter(Boolean).join(' – ');

  return `${[
    `## ${analysis.heading}`,
    '',
    line(labels.source, source),
    line(labels.length, interpolate(labels.seconds, { n: formatNumber(durationMs / 1000) })),
    line(labels.shotCount, String(count)),
    '',
    `### ${analysis.breakdown}`,
    '',
    row([columns.shot, columns.framing, columns.movement, columns.visual, columns.audio, columns.duration]),
    row(Array(6).fill('---')),
    ...shots.map((shot, index) =>
      row([
        String(index + 1),
        shot.framing,
        shot.movement,
        shot.visual,
        formatAudio(shot, phrases),
        `${formatNumber((boundaries[index + 1]! - boundaries[index]!) / 1000)}s`,
      ]),
    ),
    '',
    `### ${analysis.summary}`,
    '',
    scenes[0]!.summary,
    '',
    `### ${analysis.prompt}`,
    '',
    shots
      .slice(0, PROMPT_SHOTS)
      .map(({ visual }) => visual)
      .join(' '),
  ].join('\n')}\n`;
}

/** Picks shots: spread over one scene, including its first and last, or from consecutive scenes for a long video. */
function pickShots(scenes: readonly Scene[], count: number): Shot[] {
  const [first] = scenes as [Scene];
  if (count > first.shots.length) {
    const all = scenes.flatMap(({ shots }) => shots);
    return Array.from({ length: count }, (_, index) => all[index % all.length]!);
  }
  const last = first.shots.length - 1;
  return Array.from(
    { length: count },
    (_, i) => first.shots[count === 1 ? last : Math.round((i * last) / (count - 1))]!,
  );
}

function formatAudio({ music, effects, narration }: Shot, { analysis, labels }: Phrases): string {
  const { audio } = analysis;
  return [
    [audio.music, music],
    [audio.effects, effects],
    [audio.narration, narration || audio.none],
  ]
    .map(([label, text]) => `${label}${labels.colon}${text}`)
    .join(' · ');
}
