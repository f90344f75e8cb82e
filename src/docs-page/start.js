/* global Scalar */
// Runs in the browser, behind Scalar's script in the same file. Addresses are relative to the page's, so that it also
// works under /nodes/2/docs of a balancer.
const at = (path) => new URL(path, document.baseURI).href;

const common = {
  // Documents may name other servers, which this page must not call.
  servers: [{ url: at('.').replace(/\/$/, ''), description: 'This emulator' }],
  // All that would leave this machine.
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: 'never',
};

Scalar.createApiReference('#app', [
  {
    ...common,
    title: 'API',
    slug: 'api',
    url: at('openapi.json'),
    authentication: {
      preferredSecurityScheme: 'apiKey',
      securitySchemes: { apiKey: { token: 'np_test_default' } },
    },
  },
  {
    ...common,
    title: 'Control plane',
    slug: 'control-plane',
    url: at('__admin/openapi.json'),
    // It asks this of pages: no form or link of another one can send it.
    onBeforeRequest: ({ requestBuilder }) => requestBuilder.headers.set('x-emulator-console', '1'),
  },
]);
