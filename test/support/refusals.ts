import { expect, it } from 'vitest';
import { useTestEmulator } from './emulator.ts';

export const IMAGE = 'https://example.com/a.png';

/** Images that are not public URLs. */
export const INVALID_IMAGE_URLS = [
  'aGVsbG8=',
  'data:image/png;base64,aGk=',
  '/tmp/a.png',
  'file:///tmp/a.png',
  'ftp://example.com/a.png',
  'https://',
  'https:example.com/a.png',
  'example.com/a.png',
  '',
];

/** Fields in which clients send images instead of in the family's own list. */
export const MISPLACED_IMAGE_FIELDS = [
  'image',
  'images',
  'imageUrl',
  'imageBase64',
  'inputImages',
  'inputImage',
  'referenceImage',
  'referenceImages',
];

/** Copies of `valid` with an image in each possible field, but not as a public URL in `list`. */
export function createMisplacedImageCases(valid: object, list?: string): [object, string][] {
  const bodies = [
    ...MISPLACED_IMAGE_FIELDS.flatMap((field) => [
      { ...valid, [field]: 'aGk=' },
      { ...valid, [field]: ['data:image/png;base64,aGk='] },
      { ...valid, [field]: { data: 'aGk=' } },
    ]),
    ...(list ? [...INVALID_IMAGE_URLS, null, 5, { url: IMAGE }] : []).flatMap((entry) => [
      { ...valid, [list!]: [entry] },
      { ...valid, [list!]: [IMAGE, entry] },
    ]),
  ];
  return bodies.map((body) => [body, 'IMAGE_URLS_REQUIRED']);
}

/** Tests that each body gets 400 with its code, with and without credits, and is not charged. */
export function itRejects(path: string, cases: readonly (readonly [object, string])[]): void {
  const { emulator, createKey } = useTestEmulator();
  it.each(cases)('rejects %j with %s without charging', async (body, errorCode) => {
    const { post, account } = emulator();
    const expected = { status: 400, body: { success: false, error: expect.any(String), errorCode } };
    const key = createKey(1000);
    expect(await post(path, body, key)).toMatchObject(expected);
    expect(await post(path, body, createKey(0))).toMatchObject(expected);
    expect(account(key)).toMatchObject({ balance: 1000, taskCount: 0 });
  });
}

const MISSING_IMAGE_CODES = { IMAGE_REQUIRED: true, MISSING_INPUT_IMAGE: true };

/**
 * Tests that of two mistakes in one body the first one of `mistakes`, the family's documented order, is reported, and
 * missing credits after all of them.
 */
export function itReportsFirstError(path: string, valid: object, mistakes: readonly [string, object][]): void {
  const pairs = mistakes.flatMap(([code, patch], index) =>
    mistakes
      .slice(index + 1)
      // A body cannot both lack an image and have an invalid one.
      .filter(([later]) => !(code in MISSING_IMAGE_CODES && later === 'IMAGE_URLS_REQUIRED'))
      // If both change the same field, the earlier one wins.
      .map(([later, other]): [string, string, object] => [code, later, { ...valid, ...other, ...patch }]),
  );
  const { emulator, createKey } = useTestEmulator();
  it.each(pairs)('reports %s before %s for %j', async (code, _later, body) => {
    for (const credits of [1000, 0]) {
      expect((await emulator().post(path, body, createKey(credits))).body.errorCode).toBe(code);
    }
  });

  it.each(mistakes)('reports %s before INSUFFICIENT_CREDITS for %j', async (code, patch) => {
    const { post } = emulator();
    const key = createKey(0);
    expect((await post(path, { ...valid, ...patch }, key)).body.errorCode).toBe(code);
    expect((await post(path, valid, key)).body.errorCode).toBe('INSUFFICIENT_CREDITS');
  });
}
