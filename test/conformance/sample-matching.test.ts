import { describe, expect, it } from 'vitest';
import {
  extractIds,
  isVolatileMatch,
  normalizeToSample,
  substituteValues,
} from '../../src/conformance/recordings/sample-matching.ts';

const noVideo = () => Buffer.from('video');

describe('matching of samples', () => {
  it('inserts the ids of several tasks for their placeholders', () => {
    const response = { shots: [{ taskId: 'one' }, { taskId: 'two' }, { taskId: 'one' }], generationId: 'gen' };
    const ids = extractIds(JSON.stringify(response));
    expect(Object.fromEntries(ids)).toEqual({ task_abc123: 'one', task_abc123_2: 'two', gen_abc123: 'gen' });
    const body = { taskIds: ['task_abc123_2', 'task_abc123', 'task_abc123_3'], generationId: 'gen_abc123' };
    expect(substituteValues(body, ids, noVideo)).toEqual({
      taskIds: ['two', 'one', 'task_abc123_3'],
      generationId: 'gen',
    });
  });

  it('inserts a video for an upload of another size', () => {
    const video = noVideo().toString('base64');
    const body = { videoFile: '{{file of 520 bytes}}', other: 'data:video/mp4;base64,{{video of 4 s}}' };
    expect(substituteValues(body, new Map(), noVideo)).toEqual({
      videoFile: video,
      other: `data:video/mp4;base64,${video}`,
    });
  });

  it('compares each volatile value with the one at the same place', () => {
    const sample = {
      shots: [
        { taskId: 'task_a', generationTime: 119 },
        { taskId: 'task_b', generationTime: 121 },
      ],
    };
    const response = {
      shots: [
        { taskId: 'task_c', generationTime: 60 },
        { taskId: 'task_d', generationTime: 61 },
      ],
    };
    expect(normalizeToSample(JSON.stringify(response), sample)).toBe(JSON.stringify(sample));
    const more = { shots: [...response.shots, { taskId: 'task_e' }], taskId: 'task_f' };
    expect(JSON.parse(normalizeToSample(JSON.stringify(more), sample))).toEqual({
      shots: [...sample.shots, { taskId: 'task_e' }],
      taskId: 'task_f',
    });
  });

  it('ignores the query of a URL', () => {
    const url = 'https://nanophoto.ai/media/sora/a.mp4';
    expect(isVolatileMatch('videoUrl', url, 'https://cdn.example.com/b.mp4?[key]')).toBe(true);
    expect(isVolatileMatch('videoUrl', url, 'https://cdn.example.com/b.webm?[key]')).toBe(false);
  });
});
