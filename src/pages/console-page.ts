import type { App } from '../http/context.ts';
import { registerStaticPage } from './static-page.ts';

/**
 * It shows what clients sent, so nothing of that may ever run: no script and no style but its own files, and no text becomes markup.
 * Results are shown from here, and from what it has read itself.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  'media-src blob:',
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
];

/** A page that shows what the emulator does, from what the build has put in `dir`. It uses the control plane like any other client. */
export const registerConsolePage = (app: App, dir: string): void =>
  registerStaticPage(app, {
    path: '/console',
    dir,
    folder: 'assets/',
    // As Vite names them: some name, and eight characters of a hash.
    filePattern: '\\w[\\w.-]*-[\\w-]{8}\\.(?:js|css|svg)',
    policy: POLICY,
    headers: {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    },
  });
