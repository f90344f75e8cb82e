import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const SAMPLES = join(import.meta.dirname, 'vendor-samples');

/** The pages of the vendor that have sample programs. */
export const VENDOR_PAGES = readdirSync(SAMPLES)
  .map((file) => basename(file, '.md'))
  .sort();

/** Reads the sample programs of a page, in their order. */
export function readPrograms(page: string) {
  const text = readFileSync(join(SAMPLES, `${page}.md`), 'utf8');
  return [...text.matchAll(/^```(sh|ts)\n(.*?)^```$/gms)].map(([, language, program]) => ({
    language: language as 'sh' | 'ts',
    program: program!,
  }));
}

/** Lists the endpoints that a program of the vendor calls. */
export const listCalledEndpoints = (program: string): string[] =>
  [...new Set(program.match(/(?<=https:\/\/nanophoto\.ai)\/api\/[\w/-]+/g))].sort();

/**
 * The endpoints that each client drives from the request to the result. docs/reference/fidelity.md shows them, and the
 * tests of the clients compare them with the requests that the emulator received.
 */
export const DRIVEN_ENDPOINTS = {
  // The programs in TypeScript wait for the results. Those in sh only show single requests.
  vendorPrograms: VENDOR_PAGES.flatMap(readPrograms)
    .filter(({ language }) => language === 'ts')
    .flatMap(({ program }) => listCalledEndpoints(program)),
  ownClient: [
    '/api/nano-banana-2/check-status',
    '/api/nano-banana-2/generate',
    '/api/nano-banana-pro/check-status',
    '/api/nano-banana-pro/generate',
    '/api/seedance-1-5-pro/check-status',
    '/api/seedance-1-5-pro/generate',
    '/api/sora-2-tvc/check-status',
    '/api/sora-2-tvc/generate',
    '/api/sora-2/check-status',
    '/api/sora-2/generate',
    '/api/sora-2/generate-prompt',
    '/api/sora-2/reverse-prompt',
    '/api/sora/remove-watermark',
    '/api/veo-3/check-status',
    '/api/veo-3/generate',
  ],
};
