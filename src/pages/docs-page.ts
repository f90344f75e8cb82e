import type { App } from '../http/context.ts';
import { registerStaticPage } from './static-page.ts';

/** Scalar adds inline style elements; everything else must come from this origin, and requests may only go there. */
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

/** Serves the interactive reference of the API and the control plane at /docs, from the build output in `dir`. */
export const registerDocsPage = (app: App, dir: string): void =>
  registerStaticPage(app, {
    path: '/docs',
    dir,
    folder: '',
    filePattern: 'reference-[0-9a-f]{16}\\.js',
    policy: POLICY,
  });
