import type { Random } from '../core/random.ts';
import { cutsOf, shortNumber } from './partition.ts';
import { fill, oneLine, type Phrases, type Technique } from './phrases.ts';

export interface ScriptRequest {
  topic: string;
  technique: Technique;
  durationSeconds: number;
  /** Pictures to start from; 0 for text to video. */
  imageCount: number;
}

/** How a technique divides its time. A long take is one shot by definition; a montage is many short ones. */
const PACING: Record<Technique, { secondsPerShot: number; fewest: number }> = {
  montage: { secondsPerShot: 2, fewest: 3 },
  'long-take': { secondsPerShot: Number.POSITIVE_INFINITY, fewest: 1 },
  'time-lapse': { secondsPerShot: 4, fewest: 2 },
  'slow-motion': { secondsPerShot: 4, fewest: 2 },
  'tracking-shot': { secondsPerShot: 5, fewest: 2 },
  'aerial-view': { secondsPerShot: 4, fewest: 2 },
  pov: { secondsPerShot: 4, fewest: 2 },
  'split-screen': { secondsPerShot: 4, fewest: 2 },
  'match-cut': { secondsPerShot: 3, fewest: 3 },
  'fade-transition': { secondsPerShot: 4, fewest: 3 },
};
const MOST_SHOTS = 24;
const SHORTEST_SHOT_SECONDS = 0.25;
const FOCUS_LENGTH = 90;
/** A film keeps to so many lights and moods, or its shots would not belong together. */
const THEMES = 2;

/**
 * A Sora 2 prompt about the topic: overview, then shots with timing markers that run from 0 to the duration without a
 * gap, each with angle, movement, lighting, action and mood, then the atmosphere of the whole.
 */
export function writeScript(request: ScriptRequest, phrases: Phrases, random: Random): string {
  const { labels } = phrases;
  const topic = oneLine(request.topic);
  const technique = phrases.techniques[request.technique];
  const { durationSeconds, imageCount } = request;
  const count = shotCount(request, random);
  const borders = cutsOf(durationSeconds, count, [1, 0.5, 0.1, 0.05], random);
  const line = (label: string, text: string) => `**${label}${labels.colon.trimEnd()}** ${text}`;

  const head = [
    `# ${labels.title}${labels.colon}${topic}`,
    '',
    line(labels.technique, `${technique.name}${labels.colon}${technique.summary}`),
    line(labels.duration, fill(labels.seconds, { n: shortNumber(durationSeconds) })),
    line(labels.shotCount, String(count)),
    ...(imageCount > 0 ? [line(labels.reference, fill(phrases.referenceNote, { count: imageCount }))] : []),
    '',
    `## ${labels.overview}`,
    fill(random.pick(phrases.overviews), { topic }),
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
  const shots = writeShots(topic, technique, borders, phrases, random);
  return `${[...head, '', ...shots, ...tail].join('\n')}\n`;
}

function shotCount({ technique, durationSeconds }: ScriptRequest, random: Random): number {
  const { secondsPerShot, fewest } = PACING[technique];
  const wished = Math.round((durationSeconds / secondsPerShot) * (0.85 + random.next() * 0.3));
  const room = Math.max(1, Math.floor(durationSeconds / SHORTEST_SHOT_SECONDS));
  return Math.min(Math.max(wished, fewest), MOST_SHOTS, room);
}

function writeShots(
  topic: string,
  technique: Phrases['techniques'][Technique],
  borders: readonly number[],
  phrases: Phrases,
  random: Random,
): string[] {
  const { labels } = phrases;
  const count = borders.length - 1;
  const focuses = focusesOf(topic);
  // One draw per kind and then in turn: neighbours differ, and nothing is used twice before all was used once.
  const inTurn = (items: readonly string[], most = items.length) => {
    const drawn = random.shuffle(items).slice(0, most);
    return (index: number) => drawn[index % drawn.length]!;
  };
  const angle = inTurn(phrases.angles);
  const movement = inTurn(technique.movements);
  const lighting = inTurn(phrases.lighting, THEMES);
  const action = inTurn(technique.actions);
  const mood = inTurn(phrases.moods, THEMES);
  const transition = technique.transitions.length > 0 ? inTurn(technique.transitions) : undefined;
  const opening = random.pick(phrases.titles.opening);
  const closing = random.pick(phrases.titles.closing);
  const middle = inTurn(phrases.titles.middle);
  const title = (index: number) => {
    if (count === 1) return random.pick(phrases.titles.only);
    return index === 0 ? opening : index === count - 1 ? closing : middle(index - 1);
  };

  return borders.slice(1).flatMap((end, index) => {
    const focus = focuses[index % focuses.length]!;
    const item = (label: string, text: string) => `- **${label}${labels.colon.trimEnd()}** ${text}`;
    const marker = `[${shortNumber(borders[index]!)}s–${shortNumber(end)}s]`;
    return [
      `### ${marker} ${fill(labels.shot, { n: index + 1 })}${labels.colon}${title(index)}`,
      item(labels.focus, focus),
      item(labels.angle, angle(index)),
      item(labels.movement, movement(index)),
      item(labels.lighting, lighting(index)),
      item(labels.action, fill(action(index), { focus })),
      item(labels.mood, mood(index)),
      ...(transition && index < count - 1 ? [item(labels.transition, transition(index))] : []),
      '',
    ];
  });
}

/** Where a topic falls into parts: punctuation of any script, or a joining word of the Latin and Cyrillic locales. */
const JOINTS =
  /[,.;:!?，。、；：！？،؛؟]+\s*|\s+(?:with|and|while|con|mientras|avec|et|pendant|mit|und|während|com|enquanto|вместе с|пока)\s+/iu;
const SHORTEST_FOCUS = 3;

/** What the shots look at in turn: the whole topic first, then its parts. */
function focusesOf(topic: string): string[] {
  const parts = topic.split(JOINTS).filter((part) => part.length >= SHORTEST_FOCUS);
  return (parts.length > 1 ? [topic, ...parts] : [topic]).map(shorten);
}

function shorten(text: string): string {
  const characters = Array.from(text);
  if (characters.length <= FOCUS_LENGTH) return text;
  const cut = characters.slice(0, FOCUS_LENGTH).join('');
  // At a word's end where the script has spaces.
  const end = cut.lastIndexOf(' ');
  return `${end > FOCUS_LENGTH / 2 ? cut.slice(0, end) : cut}…`;
}
