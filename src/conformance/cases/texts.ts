import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, describeResponse } from '../case-context.ts';
import { Mismatch } from '../case-errors.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import { minimalBody, withChanges } from '../request-bodies.ts';

/** `[0s–2.5s]`: from where to where a shot goes. */
const MARKER = /\[(\d+(?:\.\d+)?)s[–-](\d+(?:\.\d+)?)s\]/g;
/** The last field of a numbered row: how long a shot lasts. */
const ROW = /^\| *\d+ *\|.*\| *(\d+(?:\.\d+)?) ?s *\|$/gm;

/** What was asked of a text is in it: its length, its technique, its topic; of a video, the length. The form of it all is assumed. */
export function textCases(validator: ContractValidator, path: string): Case[] {
  const properties = getProperties(validator.operationOf(path));
  const base = minimalBody(validator, path);
  const defineCase = (
    id: string,
    name: string,
    body: (getFourSecondVideo: () => Buffer) => Json,
    check: Check,
  ): Case => ({
    id: `${path.slice('/api/'.length)}/${id}`,
    name: `${path}: ${name}`,
    provenance: 'assumed',
    isFree: false,
    async check(context) {
      const response = await context.callAndValidate(path, body(context.getFourSecondVideo));
      assertAccepted(response);
      const expected = check(response.text);
      if (expected !== undefined) throw new Mismatch(expected, describeResponse(response));
    },
  });
  if (properties.videoFile) {
    const requestBody = (getFourSecondVideo: () => Buffer) => ({
      videoSource: 'file',
      videoFile: getFourSecondVideo().toString('base64'),
    });
    return [
      defineCase('rows-add-up', 'the shots of a video of 4 s last as long as it', requestBody, (text) =>
        sum([...text.matchAll(ROW)].map(([, seconds]) => Number(seconds))) === 4 ? undefined : 'rows of 4 s',
      ),
    ];
  }
  if (!properties.technique || !properties.topic) return [];
  const bodyWith = (changes: object) => () => withChanges(base, { topic: 'A heron on the ice', ...changes });
  return [
    ...[10, 15, 37.5].map((duration) =>
      defineCase(
        `markers-${duration}`,
        `shots go from 0 to ${duration} s without a gap`,
        bodyWith({ duration }),
        (text) =>
          coversDuration(parseMarkers(text), duration)
            ? undefined
            : `shots from 0 to ${duration} s, each from the end of the last`,
      ),
    ),
    defineCase('long-take', 'a long take is one shot', bodyWith({ technique: 'long-take' }), (text) =>
      parseMarkers(text).length === 1 ? undefined : 'one shot',
    ),
    defineCase('montage', 'a montage is several shots', bodyWith({ technique: 'montage' }), (text) =>
      parseMarkers(text).length > 1 ? undefined : 'several shots',
    ),
    defineCase('topic', 'the text names the topic', bodyWith({}), (text) =>
      text.includes('A heron on the ice') ? undefined : 'a text about A heron on the ice',
    ),
  ];
}

/** What was expected, where it is not so. */
type Check = (text: string) => string | undefined;

const parseMarkers = (text: string) =>
  [...text.matchAll(MARKER)].map(([, from, to]) => ({ from: Number(from), to: Number(to) }));

const coversDuration = (markers: { from: number; to: number }[], seconds: number) =>
  markers.length > 0 &&
  markers.every(({ from, to }, index) => from === (markers[index - 1]?.to ?? 0) && to > from) &&
  markers.at(-1)!.to === seconds;

/** In thousandths, which add up without an error. */
const sum = (seconds: readonly number[]) =>
  seconds.reduce((total, value) => total + Math.round(value * 1000), 0) / 1000;
