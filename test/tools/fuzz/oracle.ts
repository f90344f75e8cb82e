import type { RawAnswer } from '../../support/answer-reader.ts';
import { type AnswerCheck, createContractCheck } from '../../support/contract-check.ts';
import { type Case, isAskedFor, type Message, mayBeCutOff, mayLinger } from './case.ts';
import type { World } from './fixture.ts';
import type { Outcome } from './send.ts';

/** What no answer may ever show: the inside of the program, or a page of the framework. */
const INSIDE =
  /\n\s+at .+[:(]|node_modules|\bFST_[A-Z]|\b(?:Type|Reference|Syntax|Range|Sqlite)Error\b|\/(?:src|dist)\/[\w/-]+\.[jt]s\b/;
const PAGE = /<!doctype|<html/i;

/** Texts that are no JSON, by the beginnings of the paths that have them. */
const TEXTS: Record<string, RegExp> = {
  'text/html': /^\/(docs|console)/,
  'text/javascript': /^\/(docs|console)/,
  'application/javascript': /^\/docs/,
  'text/css': /^\/(docs|console)/,
  'font/woff2': /^\/docs/,
  'image/svg+xml': /^\/(docs|console)/,
  'text/event-stream': /^\/__admin\/events/,
  'text/plain': /^\/(metrics|api\/sora-2\/(generate|reverse)-prompt|docs)/,
  'application/x-pem-file': /^\/ca\.pem/,
  'video/mp4': /^\/(media\/|\w)/,
  'image/jpeg': /^\/(media\/|\w)/,
  'multipart/byteranges': /^\/media\//,
};

const isVendorRefusal = (body: Record<string, unknown>) =>
  typeof body.error === 'string' &&
  typeof body.errorCode === 'string' &&
  Object.keys(body).every((name) => ['success', 'error', 'errorCode', 'requiredCredits'].includes(name));
const isControlRefusal = (body: Record<string, unknown>) =>
  typeof body.error === 'string' && typeof body.code === 'string' && Object.keys(body).length === 2;

export type Judge = ReturnType<typeof createJudge>;

/** Says what is wrong with what came back; undefined: nothing. `isStormy`: rules may strike any request. */
export function createJudge(world: World, isStormy: boolean) {
  const checks: AnswerCheck[] = [world.vendor, world.control].map(createContractCheck);

  /** In general: an answer to anything. */
  function formOf({ status, headers, body }: RawAnswer, path: string | undefined): string | undefined {
    const [type = ''] = (headers['content-type'] ?? '').split(';');
    const isPlain = type === '' || type === 'application/json' || type.startsWith('text/');
    const text = isPlain ? body.toString() : '';
    if (INSIDE.test(text) && type !== 'text/html' && !type.includes('javascript'))
      return 'the inside of the program is shown';
    if (PAGE.test(text) && type === 'application/json') return 'a page is shown';
    if (status === 503 && type === 'application/json' && headers['retry-after']) {
      return path === undefined || path.includes('/media/') ? undefined : 'it was told to come back later';
    }
    if (status >= 500) return 'nobody asked for it';
    if (body.length === 0) {
      if (type === '' || status === 204 || status === 304) return undefined;
      return path === undefined ? undefined : 'the answer is empty';
    }
    if (type === 'application/json') return jsonOf(status, text, path);
    if (path === undefined) return type in TEXTS ? undefined : `the type ${type} is none of ours`;
    return TEXTS[type]?.test(path) ? undefined : `the type ${type} is not that of ${path}`;
  }

  function jsonOf(status: number, text: string, path: string | undefined): string | undefined {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return 'the answer is no JSON';
    }
    if (status < 400) return undefined;
    if (typeof body !== 'object' || body === null) return 'the refusal is no object';
    const [vendor, control] = [isVendorRefusal, isControlRefusal].map((is) =>
      is(body as Record<string, unknown>),
    );
    if (!vendor && !control) return 'the refusal has not the form of one';
    if (path === undefined) return undefined;
    return path.startsWith('/__admin') === control ? undefined : 'the refusal has the form of the other side';
  }

  function judgeOne(message: Message, answer: RawAnswer): string | undefined {
    const { method, path, body, isLoose } = message;
    const told = `${method} ${path.slice(0, 200)} answered ${answer.status}: ${answer.body.toString().slice(0, 500)}`;
    if (method === 'HEAD') return answer.status >= 500 ? `nobody asked for it; ${told}` : undefined;
    const problem = formOf(answer, isLoose ? undefined : path);
    if (problem) return `${problem}; ${told}`;
    if (isLoose) return undefined;
    for (const check of checks) {
      const found = check({
        ...{ method, path, sent: body, status: answer.status },
        contentType: answer.headers['content-type'] ?? '',
        payload: answer.body.toString(),
      });
      if (found) return found;
    }
    return undefined;
  }

  return function judge(sent: Case, outcome: Outcome): string | undefined {
    if (isStormy || isAskedFor(sent)) return undefined;
    const { answers, broken, end } = outcome;
    const mayLose = outcome.hasLeft || mayBeCutOff(sent) || mayLinger(sent);
    if (broken && !mayLose) return `${broken}; after ${answers.length} answers`;
    if (sent.answers !== undefined && answers.length > sent.answers)
      return `${answers.length} answers came for ${sent.answers} requests`;
    for (const [place, answer] of answers.entries()) {
      const message = sent.messages[place];
      const problem = message
        ? judgeOne(message, answer)
        : formOf(answer, undefined) &&
          `${formOf(answer, undefined)}: ${answer.status} ${answer.body.toString().slice(0, 500)}`;
      if (problem) return problem;
    }
    if (end === 'silent')
      return `no answer came, and the connection stayed open, after ${answers.length} answers`;
    const last = answers.at(-1);
    const isShort = sent.answers !== undefined && answers.length < sent.answers;
    if (isShort && !mayLose && last?.headers.connection !== 'close') {
      return `${answers.length} answers came for ${sent.answers} requests, and the connection was ${end}`;
    }
    return undefined;
  };
}
