import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, told } from '../case-context.ts';
import { Differs } from '../case-errors.ts';
import { type Conformity, propertiesOf } from '../contract-validator.ts';
import { changed, plainBody } from '../request-bodies.ts';

/** `[0s–2.5s]`: from where to where a shot goes. */
const MARKER = /\[(\d+(?:\.\d+)?)s[–-](\d+(?:\.\d+)?)s\]/g;
/** The last field of a numbered row: how long a shot lasts. */
const ROW = /^\| *\d+ *\|.*\| *(\d+(?:\.\d+)?) ?s *\|$/gm;

/** What was asked of a text is in it: its length, its technique, its topic; of a video, the length. The form of it all is assumed. */
export function textCases(conformity: Conformity, path: string): Case[] {
  const properties = propertiesOf(conformity.operationOf(path));
  const base = plainBody(conformity, path);
  const one = (id: string, name: string, body: (videoOf4s: () => Buffer) => Json, check: Check): Case => ({
    id: `${path.slice('/api/'.length)}/${id}`,
    name: `${path}: ${name}`,
    mark: 'X',
    isFree: false,
    async check(bench) {
      const answer = await bench.conforming(path, body(bench.videoOf4s));
      assertAccepted(answer);
      const expected = check(answer.text);
      if (expected !== undefined) throw new Differs(expected, told(answer));
    },
  });
  if (properties.videoFile) {
    const asked = (videoOf4s: () => Buffer) => ({
      videoSource: 'file',
      videoFile: videoOf4s().toString('base64'),
    });
    return [
      one('rows-add-up', 'the shots of a video of 4 s last as long as it', asked, (text) =>
        sum([...text.matchAll(ROW)].map(([, seconds]) => Number(seconds))) === 4 ? undefined : 'rows of 4 s',
      ),
    ];
  }
  if (!properties.technique || !properties.topic) return [];
  const asked = (changes: object) => () => changed(base, { topic: 'A heron on the ice', ...changes });
  return [
    ...[10, 15, 37.5].map((duration) =>
      one(
        `markers-${duration}`,
        `shots go from 0 to ${duration} s without a gap`,
        asked({ duration }),
        (text) =>
          covers(markersIn(text), duration)
            ? undefined
            : `shots from 0 to ${duration} s, each from the end of the last`,
      ),
    ),
    one('long-take', 'a long take is one shot', asked({ technique: 'long-take' }), (text) =>
      markersIn(text).length === 1 ? undefined : 'one shot',
    ),
    one('montage', 'a montage is several shots', asked({ technique: 'montage' }), (text) =>
      markersIn(text).length > 1 ? undefined : 'several shots',
    ),
    one('topic', 'the text names the topic', asked({}), (text) =>
      text.includes('A heron on the ice') ? undefined : 'a text about A heron on the ice',
    ),
  ];
}

/** What was expected, where it is not so. */
type Check = (text: string) => string | undefined;

const markersIn = (text: string) =>
  [...text.matchAll(MARKER)].map(([, from, to]) => ({ from: Number(from), to: Number(to) }));

const covers = (markers: { from: number; to: number }[], seconds: number) =>
  markers.length > 0 &&
  markers.every(({ from, to }, place) => from === (markers[place - 1]?.to ?? 0) && to > from) &&
  markers.at(-1)!.to === seconds;

/** In thousandths, which add up without an error. */
const sum = (seconds: readonly number[]) =>
  seconds.reduce((total, one) => total + Math.round(one * 1000), 0) / 1000;
