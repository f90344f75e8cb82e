import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/time/clock.ts';
import { BodyTurns } from '../../src/http/pipeline/body-turns.ts';

const LARGE_BYTES = 64 * 1024;

function createTurns() {
  let work: (() => void)[] = [];
  let nowMs = 0;
  const turns = new BodyTurns({ nowMs: () => nowMs, atTurnEnd: (next: () => void) => void work.push(next) } as Clock);
  const endTurn = (turnMs = 0) => {
    nowMs += turnMs;
    const due = work;
    work = [];
    for (const next of due) next();
    return due.length;
  };
  const bodies = Array.from({ length: 3 }, () => new Readable({ read() {} }).resume());
  return { turns, endTurn, bodies, getReading: () => bodies.flatMap((body, n) => (body.isPaused() ? [] : [n])) };
}

describe('turns of large bodies', () => {
  it('resumes one paused body in each turn, the longest paused first', () => {
    const { turns, endTurn, bodies, getReading } = createTurns();
    for (const body of bodies) turns.onChunk(body, LARGE_BYTES);
    expect(getReading()).toEqual([]);
    endTurn();
    expect(getReading()).toEqual([0]);
    turns.onChunk(bodies[0]!, LARGE_BYTES);
    endTurn();
    endTurn();
    expect(getReading()).toEqual([1, 2]);
    endTurn();
    expect(getReading()).toEqual([0, 1, 2]);
    expect(endTurn()).toBe(0);
  });

  it('resumes more bodies after a long turn', () => {
    const { turns, endTurn, bodies, getReading } = createTurns();
    for (const body of bodies) turns.onChunk(body, LARGE_BYTES);
    endTurn(2);
    expect(getReading()).toEqual([0, 1]);
    turns.onChunk(bodies[0]!, LARGE_BYTES);
    turns.onChunk(bodies[1]!, LARGE_BYTES);
    endTurn(1000);
    expect(getReading()).toEqual([0, 1, 2]);
    expect(endTurn()).toBe(0);
  });

  it('does not pause a body after a small chunk', () => {
    const { turns, endTurn, bodies, getReading } = createTurns();
    turns.onChunk(bodies[0]!, 1000);
    expect(getReading()).toContain(0);
    expect(endTurn()).toBe(0);
  });
});
