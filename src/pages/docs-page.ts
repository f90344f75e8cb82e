import type { App } from '../http/context.ts';
import { registerStaticPage } from './static-page.ts';

/** Scalar brings its styles in elements of its own; all else comes from here, and goes nowhere else. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
];

/** A page to read the API and the control plane on, and to try them, from what the build has put in `dir`. */
export const registerReferencePage = (app: App, dir: string): void =>
  registerStaticPage(app, {
    path: '/docs',
    dir,
    folder: '',
    filePattern: 'reference-[0-9a-f]{16}\\.js',
    policy: POLICY,
  });
