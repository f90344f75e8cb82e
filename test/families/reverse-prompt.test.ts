import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTestEmulator, useTestEmulator } from '../support/emulator.ts';
import { itRejects } from '../support/refusals.ts';
import { box, ftyp, makeMp4 } from '../uploads/make-mp4.ts';

const PATH = '/api/sora-2/reverse-prompt';
const MIB = 1024 * 1024;
// Streams do not wait on an auto clock.
const KEY = 'np_test_auto';
const LINK = 'https://www.youtube.com/watch?v=W-15-UmGP5s';
const MP4 = makeMp4({ duration: 7500 }).toString('base64');

const REAL = readFileSync(join(import.meta.dirname, '../uploads/tiny.mp4'));

/** Overwrites a number of 32 bits at an offset from the type of a box. */
function overwrite(type: string, offset: number, value: number): Buffer {
  const bytes = Buffer.from(REAL);
  bytes.writeUInt32BE(value, bytes.indexOf(type) + offset);
  return bytes;
}

const file = (videoFile: unknown, own: object = {}) => ({ videoSource: 'file', videoFile, ...own });
const sumOfDurations = (text: string) =>
  [...text.matchAll(/^\| \d+ \|.*\| ([\d.]+)s \|$/gm)].reduce((sum, [, s]) => sum + Math.round(Number(s) * 1000), 0);

describe('reverse prompt', () => {
  const { emulator } = useTestEmulator();

  it('holds 1 credit and captures it when the text is complete', async () => {
    const { post, account, core } = await createTestEmulator();
    expect((await post(PATH, { videoSource: 'youtube', videoUrl: LINK }, KEY)).status).toBe(200);
    const { id, balance } = account(KEY);
    expect(balance).toBe(999);
    expect(core.ledger.entries(id, 10).map(({ kind, amount }) => [kind, amount])).toEqual([
      ['grant', 1000],
      ['hold', -1],
      ['capture', 0],
    ]);
  });

  it('responds to missing credits with the general 402', async () => {
    const { post } = emulator();
    const { status, text } = await post(PATH, { videoSource: 'youtube', videoUrl: LINK }, 'np_test_empty');
    expect(status).toBe(402);
    expect(text).toBe(
      '{"success":false,"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":1}',
    );
  });

  itRejects(PATH, [
    [{}, 'INVALID_INPUT'],
    [{ videoSource: 'vimeo', videoUrl: LINK }, 'INVALID_INPUT'],
    [{ videoSource: null, videoUrl: LINK }, 'INVALID_INPUT'],
    [{ videoSource: 'youtube', videoUrl: LINK, locale: 'xx' }, 'INVALID_INPUT'],
    [{ videoSource: 'youtube', videoUrl: LINK, locale: null }, 'INVALID_INPUT'],
    [{ videoSource: 'youtube' }, 'INVALID_INPUT'],
    [{ videoSource: 'youtube', videoUrl: '' }, 'INVALID_INPUT'],
    [{ videoSource: 'youtube', videoUrl: 5 }, 'INVALID_INPUT'],
    [{ videoSource: 'url' }, 'INVALID_INPUT'],
    [{ videoSource: 'url', videoUrl: '  ' }, 'INVALID_INPUT'],
    [{ videoSource: 'file' }, 'INVALID_INPUT'],
    [file(''), 'INVALID_INPUT'],
    [file(null), 'INVALID_INPUT'],
    [file(5), 'INVALID_INPUT'],
    [file(MP4, { videoFileName: 5 }), 'INVALID_INPUT'],
    [{ videoSource: 'youtube', videoUrl: LINK, videoFile: 5 }, 'INVALID_INPUT'],
    [{ videoSource: 'youtube', videoUrl: 'not a link' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://www.youtube.com/' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://www.youtube.com/watch' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://www.youtube.com/watch?v=short' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://www.youtube.com/@channel' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://notyoutube.com/watch?v=W-15-UmGP5s' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://youtube.com.evil.test/watch?v=W-15-UmGP5s' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://example.com/a.mp4' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://youtube.com/embed/videoseries?list=PL1' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'youtube', videoUrl: 'https://youtube.com/embed/live_stream?channel=U' }, 'INVALID_YOUTUBE_URL'],
    [{ videoSource: 'url', videoUrl: 'a.mp4' }, 'INVALID_VIDEO_URL'],
    [{ videoSource: 'url', videoUrl: 'ftp://example.com/a.mp4' }, 'INVALID_VIDEO_URL'],
    [{ videoSource: 'url', videoUrl: 'https://example.com/a.mov' }, 'INVALID_VIDEO_URL'],
    [{ videoSource: 'url', videoUrl: 'https://example.com/a?file=.mp4' }, 'INVALID_VIDEO_URL'],
    [{ videoSource: 'url', videoUrl: 'file:///etc/a.mp4' }, 'INVALID_VIDEO_URL'],
    [{ videoSource: 'url', videoUrl: LINK }, 'INVALID_VIDEO_URL'],
    [{ videoSource: 'url', videoUrl: 'https://host.invalid/a.mp4' }, 'VIDEO_DOWNLOAD_FAILED'],
    [{ videoSource: 'url', videoUrl: 'https://INVALID:8080/a.mp4' }, 'VIDEO_DOWNLOAD_FAILED'],
    [file('not base64!'), 'INVALID_FORMAT'],
    [file('AAAAA'), 'INVALID_FORMAT'],
    [file(Buffer.from('a text, not a video').toString('base64')), 'INVALID_FORMAT'],
    [file(`data:video/webm;base64,${MP4}`), 'INVALID_FORMAT'],
    [file(`data:video/mp4,${MP4}`), 'INVALID_FORMAT'],
    [file(MP4, { videoFileName: 'video.mov' }), 'INVALID_FORMAT'],
  ]);

  it.each([
    LINK,
    'http://youtube.com/watch?list=x&v=W-15-UmGP5s',
    'https://www.youtube.com/watch/?v=W-15-UmGP5s',
    'https://m.youtube.com/watch?v=W-15-UmGP5s&t=5',
    'https://music.youtube.com/watch?v=W-15-UmGP5s',
    'https://youtu.be/W-15-UmGP5s?si=abc',
    'https://www.youtube.com/shorts/W-15-UmGP5s',
    'https://www.youtube.com/embed/W-15-UmGP5s',
    'https://www.youtube-nocookie.com/embed/W-15-UmGP5s',
    'https://www.youtube.com/live/W-15-UmGP5s/',
  ])('accepts the YouTube link %s', async (videoUrl) => {
    const { post } = emulator();
    const { status, text } = await post(PATH, { videoSource: 'youtube', videoUrl }, KEY);
    expect(status).toBe(200);
    expect(text).toContain('YouTube video – W-15-UmGP5s');
  });

  it.each(['https://static.nanophoto.ai/demo/sk2-ad.mp4', 'http://localhost/A.MP4?token=1#t=5'])(
    'accepts the video link %s and draws a duration of 8 to 60 seconds',
    async (videoUrl) => {
      const { post } = emulator();
      const { status, text } = await post(PATH, { videoSource: 'url', videoUrl }, KEY);
      expect(status).toBe(200);
      expect(sumOfDurations(text)).toBeGreaterThanOrEqual(8000);
      expect(sumOfDurations(text)).toBeLessThanOrEqual(60_000);
    },
  );
});

describe('reverse prompt of an uploaded video', () => {
  const { emulator } = useTestEmulator();

  it.each([
    ['plain base64', MP4],
    ['a data URL', `data:video/mp4;base64,${MP4}`],
    ['a data URL without a type', `data:;base64,${MP4}`],
    ['base64 in lines', MP4.replace(/.{76}/g, '$&\n')],
  ])('accepts %s', async (_case, videoFile) => {
    const { post } = emulator();
    const { status, text } = await post(PATH, file(videoFile, { videoFileName: 'My Clip.MP4' }), KEY);
    expect(status).toBe(200);
    expect(text).toContain('Uploaded file – My Clip.MP4');
    expect(sumOfDurations(text)).toBe(7500);
  });

  it('accepts base64 with escaped slashes, as PHP writes it', async () => {
    const { send } = emulator();
    const withSlashes = Buffer.concat([makeMp4({ duration: 7500 }), box('free', Buffer.alloc(200, 0xff))]).toString(
      'base64',
    );
    expect(withSlashes).toContain('/');
    const body = JSON.stringify(file(withSlashes)).replaceAll('/', '\\/');
    const { status, text } = await send('POST', PATH, { key: KEY, body });
    expect(status).toBe(200);
    expect(sumOfDurations(text)).toBe(7500);
  });

  it.each([
    [{ duration: 123_456, timescale: 10_000 }, 12_346],
    [{ duration: 90_000 * 61, timescale: 90_000, moov: 'last' as const, audio: true }, 61_000],
    [{ duration: 3000, fragments: 3 }, 3000],
  ])('describes shots that add up to the duration of the video: %j', async (options, lengthMs) => {
    const { post } = emulator();
    const { text } = await post(PATH, file(makeMp4(options).toString('base64')), KEY);
    expect(sumOfDurations(text)).toBe(lengthMs);
  });

  it.each([
    ['nothing unusual', REAL],
    ['a line feed at the end', Buffer.concat([REAL, Buffer.from('\n')])],
    ['an ID3v1 tag at the end', Buffer.concat([REAL, Buffer.from(`TAG${' '.repeat(125)}`)])],
    ['user data that is 100 bytes too long', overwrite('udta', -4, 161)],
    ['no duration in the movie header', overwrite('mvhd', 20, 0)],
  ])('accepts a real video with %s', async (_case, bytes) => {
    const { post } = emulator();
    const { status, text } = await post(PATH, file(bytes.toString('base64')), KEY);
    expect(status).toBe(200);
    expect(sumOfDurations(text)).toBe(1500);
  });

  it.each([
    ['no movie header', Buffer.concat([ftyp(), box('mdat', Buffer.alloc(100))])],
    ['no video track', makeMp4({ video: false, audio: true })],
    ['no duration', makeMp4({ duration: 0 })],
    ['a missing end', makeMp4({ moov: 'last' }).subarray(0, -10)],
    ['only its ftyp box', ftyp()],
  ])('charges, rejects and refunds a video with %s', async (_case, bytes) => {
    const { post, account, core } = await createTestEmulator();
    const body = file(bytes.toString('base64'));
    expect(await post(PATH, body, KEY)).toMatchObject({
      status: 422,
      body: { success: false, error: 'Video processing failed', errorCode: 'VIDEO_PROCESSING_FAILED' },
    });
    const { id, balance } = account(KEY);
    expect(balance).toBe(1000);
    expect(core.ledger.entries(id, 10).map(({ kind }) => kind)).toEqual(['grant', 'hold', 'refund']);
    expect(core.ledger.verify(id)).toEqual([]);
    // Credits are checked before the video is processed.
    expect((await post(PATH, body, 'np_test_empty')).status).toBe(402);
  });

  it('rejects a body over the size limit with FILE_TOO_LARGE', async () => {
    const { post, account } = await createTestEmulator();
    const tooLarge = { status: 400, body: { errorCode: 'FILE_TOO_LARGE' } };
    expect(await post(PATH, file('A'.repeat(44 * MIB)), KEY)).toMatchObject(tooLarge);
    expect(await post(PATH, file(MP4, { other: 'x'.repeat(2 * MIB) }), KEY)).toMatchObject(tooLarge);
    expect(account(KEY).balance).toBe(1000);
  });

  it('stores the size and duration of the video instead of its bytes', async () => {
    const { post, account, core } = await createTestEmulator();
    await post(PATH, file(MP4, { videoFileName: 'a.mp4' }), KEY);
    expect(core.tasks.getInput(account(KEY).id, core.tasks.list(account(KEY).id, 1)[0]!.id)).toEqual({
      videoSource: 'file',
      locale: 'en',
      videoFileName: 'a.mp4',
      videoFile: { bytes: Buffer.from(MP4, 'base64').length, durationMs: 7500 },
    });
  });
});
