import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, describeResponse } from '../assertions.ts';
import { type Case, createCaseDefiner } from '../case-context.ts';
import { Mismatch } from '../case-errors.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import { minimalBody, withChanges } from '../request-bodies.ts';

/** The start and end of a shot, such as `[0s–2.5s]`. */
const MARKER = /\[(\d+(?:\.\d+)?)s[–-](\d+(?:\.\d+)?)s\]/g;
/** A numbered table row; its last column is the length of a shot. */
const ROW = /^\| *\d+ *\|.*\| *(\d+(?:\.\d+)?) ?s *\|$/gm;

/** Cases for the content of texts: the requested length, technique and topic. The form of the texts is assumed. */
export function textCases(validator: ContractValidator, path: string): Case[] {
  const properties = getProperties(validator.operationOf(path));
  const base = minimalBody(validator, path);
  const defineCase = createCaseDefiner(path.slice('/api/'.length), path);
  const defineTextCase = (id: string, name: string, body: (getFourSecondVideo: () => Buffer) => Json, check: Check) =>
    defineCase(id, name, 'assumed', async (context) => {
      const response = await context.callAndValidate(path, body(context.getFourSecondVideo));
      assertAccepted(response);
      const expected = check(response.text);
      if (expected !== undefined) throw new Mismatch(expected, describeResponse(response));
    });
  if (properties.videoFile) {
    const requestBody = (getFourSecondVideo: () => Buffer) => ({
      videoSource: 'file',
      videoFile: getFourSecondVideo().toString('base64'),
    });
    return [
      defineTextCase('rows-add-up', 'the shots of a 4 s video add up to its length', requestBody, (text) =>
        sum([...text.matchAll(ROW)].map(([, seconds]) => Number(seconds))) === 4
          ? undefined
          : 'rows that add up to 4 s',
      ),
    ];
  }
  if (!properties.technique || !properties.topic) return [];
  const bodyWith = (changes: object) => () => withChanges(base, { topic: 'A heron on the ice', ...changes });
  return [
    ...[10, 15, 37.5].map((duration) =>
      defineTextCase(
        `markers-${duration}`,
        `shots cover 0 to ${duration} s without gaps`,
        bodyWith({ duration }),
        (text) =>
          coversDuration(parseMarkers(text), duration)
            ? undefined
            : `shots from 0 to ${duration} s, each starting at the end of the previous one`,
      ),
    ),
    defineTextCase('long-take', 'a long take has one shot', bodyWith({ technique: 'long-take' }), (text) =>
      parseMarkers(text).length === 1 ? undefined : 'one shot',
    ),
    defineTextCase('montage', 'a montage has several shots', bodyWith({ technique: 'montage' }), (text) =>
      parseMarkers(text).length > 1 ? undefined : 'several shots',
    ),
    defineTextCase('topic', 'the text names the topic', bodyWith({}), (text) =>
      text.includes('A heron on the ice') ? undefined : 'a text about A heron on the ice',
    ),
  ];
}

/** Returns what was expected if the text does not have it. */
type Check = (text: string) => string | undefined;

const parseMarkers = (text: string) =>
  [...text.matchAll(MARKER)].map(([, from, to]) => ({ from: Number(from), to: Number(to) }));

const coversDuration = (markers: { from: number; to: number }[], seconds: number) =>
  markers.length > 0 &&
  markers.every(({ from, to }, index) => from === (markers[index - 1]?.to ?? 0) && to > from) &&
  markers.at(-1)!.to === seconds;

/** Adds in whole milliseconds, which has no rounding error. */
const sum = (seconds: readonly number[]) =>
  seconds.reduce((total, value) => total + Math.round(value * 1000), 0) / 1000;
