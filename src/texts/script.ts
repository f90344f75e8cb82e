import type { Random } from '../core/random.ts';
import { formatNumber, partition } from './partition.ts';
import { interpolate, type Phrases, type Technique, toSingleLine } from './phrases.ts';

export interface ScriptRequest {
  topic: string;
  technique: Technique;
  durationSeconds: number;
  /** Number of input images; 0 for text to video. */
  imageCount: number;
}

/** Shot lengths by technique. A long take is one shot by definition; a montage has many short ones. */
const PACING: Record<Technique, { secondsPerShot: number; minShots: number }> = {
  montage: { secondsPerShot: 2, minShots: 3 },
  'long-take': { secondsPerShot: Number.POSITIVE_INFINITY, minShots: 1 },
  'time-lapse': { secondsPerShot: 4, minShots: 2 },
  'slow-motion': { secondsPerShot: 4, minShots: 2 },
  'tracking-shot': { secondsPerShot: 5, minShots: 2 },
  'aerial-view': { secondsPerShot: 4, minShots: 2 },
  pov: { secondsPerShot: 4, minShots: 2 },
  'split-screen': { secondsPerShot: 4, minShots: 2 },
  'match-cut': { secondsPerShot: 3, minShots: 3 },
  'fade-transition': { secondsPerShot: 4, minShots: 3 },
};
const MAX_SHOTS = 24;
const MIN_SHOT_SECONDS = 0.25;
const MAX_FOCUS_CHARACTERS = 90;
/** Number of different kinds of lighting and moods in a film, kept low for coherence. */
const THEME_COUNT = 2;

/**
 * Writes a Sora 2 prompt about the topic: an overview, shots with contiguous timing markers from 0 to the duration,
 * each with angle, movement, lighting, action and mood, and the overall atmosphere.
 */
export function writeScript(request: ScriptRequest, phrases: Phrases, random: Random): string {
  const { labels } = phrases;
  const topic = toSingleLine(request.topic);
  const technique = phrases.techniques[request.technique];
  const { durationSeconds, imageCount } = request;
  const count = chooseShotCount(request, random);
  const boundaries = partition(durationSeconds, count, [1, 0.5, 0.1, 0.05], random);
  const line = (label: string, text: string) => `**${label}${labels.colon.trimEnd()}** ${text}`;

  const head = [
    `# ${labels.title}${labels.colon}${topic}`,
    '',
    line(labels.technique, `${technique.name}${labels.colon}${technique.summary}`),
    line(labels.duration, interpolate(labels.seconds, { n: formatNumber(durationSeconds) })),
    line(labels.shotCount, String(count)),
    ...(imageCount > 0 ? [line(labels.reference, interpolate(phrases.referenceNote, { count: imageCount }))] : []),
    '',
    `## ${labels.overview}`,
    interpolate(random.pick(phrases.overviews), { topic }),
    '',
    `## ${labels.breakdown}`,
  ];
  const tail = [
    `## ${labels.atmosphere}`,
    ...random.shuffle(phrases.atmospheres).slice(0, 2),
    '',
    line(labels.palette, random.pick(phrases.palettes)),
    line(labels.sound, random.pick(phrases.sounds)),
  ];
  const shots = writeShots(topic, technique, boundaries, phrases, random);
  return `${[...head, '', ...shots, ...tail].join('\n')}\n`;
}

function chooseShotCount({ technique, durationSeconds }: ScriptRequest, random: Random): number {
  const { secondsPerShot, minShots } = PACING[technique];
  const targetCount = Math.round((durationSeconds / secondsPerShot) * (0.85 + random.next() * 0.3));
  const maxCount = Math.max(1, Math.floor(durationSeconds / MIN_SHOT_SECONDS));
  return Math.min(Math.max(targetCount, minShots), MAX_SHOTS, maxCount);
}

function writeShots(
  topic: string,
  technique: Phrases['techniques'][Technique],
  boundaries: readonly number[],
  phrases: Phrases,
  random: Random,
): string[] {
  const { labels } = phrases;
  const count = boundaries.length - 1;
  const focuses = findFocuses(topic);
  // Shuffled once and then cycled: neighbors differ, and no item repeats before all are used.
  const createCycle = (items: readonly string[], max = items.length) => {
    const shuffled = random.shuffle(items).slice(0, max);
    return (index: number) => shuffled[index % shuffled.length]!;
  };
  const angle = createCycle(phrases.angles);
  const movement = createCycle(technique.movements);
  const lighting = createCycle(phrases.lighting, THEME_COUNT);
  const action = createCycle(technique.actions);
  const mood = createCycle(phrases.moods, THEME_COUNT);
  const transition = technique.transitions.length > 0 ? createCycle(technique.transitions) : undefined;
  const opening = random.pick(phrases.titles.opening);
  const closing = random.pick(phrases.titles.closing);
  const middle = createCycle(phrases.titles.middle);
  const title = (index: number) => {
    if (count === 1) return random.pick(phrases.titles.only);
    return index === 0 ? opening : index === count - 1 ? closing : middle(index - 1);
  };

  return boundaries.slice(1).flatMap((end, index) => {
    const focus = focuses[index % focuses.length]!;
    const item = (label: string, text: string) => `- **${label}${labels.colon.trimEnd()}** ${text}`;
    const marker = `[${formatNumber(boundaries[index]!)}s–${formatNumber(end)}s]`;
    return [
      `### ${marker} ${interpolate(labels.shot, { n: index + 1 })}${labels.colon}${title(index)}`,
      item(labels.focus, focus),
      item(labels.angle, angle(index)),
      item(labels.movement, movement(index)),
      item(labels.lighting, lighting(index)),
      item(labels.action, interpolate(action(index), { focus })),
      item(labels.mood, mood(index)),
      ...(transition && index < count - 1 ? [item(labels.transition, transition(index))] : []),
      '',
    ];
  });
}

/** Separates the parts of a topic: punctuation of any script, or a conjunction of the Latin and Cyrillic locales. */
const SEPARATORS =
  /[,.;:!?，。、；：！？،؛؟]+\s*|\s+(?:with|and|while|con|mientras|avec|et|pendant|mit|und|während|com|enquanto|вместе с|пока)\s+/iu;
const MIN_FOCUS_CHARACTERS = 3;

/** The subjects of the shots: the whole topic first, then its parts. */
function findFocuses(topic: string): string[] {
  const parts = topic.split(SEPARATORS).filter((part) => part.length >= MIN_FOCUS_CHARACTERS);
  return (parts.length > 1 ? [topic, ...parts] : [topic]).map(shorten);
}

function shorten(text: string): string {
  const characters = Array.from(text);
  if (characters.length <= MAX_FOCUS_CHARACTERS) return text;
  const prefix = characters.slice(0, MAX_FOCUS_CHARACTERS).join('');
  // At a word boundary if the script uses spaces.
  const end = prefix.lastIndexOf(' ');
  return `${end > MAX_FOCUS_CHARACTERS / 2 ? prefix.slice(0, end) : prefix}…`;
}
